import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { firstLine, type ServerKind, servesZones } from './server.ts'

const knotd: ServerKind = {
  name: 'knotd',
  version: () => firstLine('knotd', '--version'),
  takes: servesZones,
  prepare({ address, cores, folder, port, workload, zoneFile }) {
    const path = join(folder, 'knot.conf')
    const lines = [
      'server:',
      `  rundir: ${folder}`,
      `  listen: ${address}@${port}`,
      `  udp-workers: ${cores}`,
      `  tcp-workers: ${cores}`,
      '  background-workers: 1',
      '  tcp-reuseport: on',
      '  tcp-max-clients: 10000',
      'control:',
      `  listen: ${join(folder, 'knot.sock')}`,
      'database:',
      `  storage: ${folder}`,
      'log:',
      '  - target: stderr',
      '    any: error',
      'zone:',
      ...workload.zones.flatMap(({ origin }) => [
        `  - domain: ${origin}`,
        `    file: ${zoneFile(origin)}`,
        '    zonefile-sync: -1',
        '    journal-content: none',
      ]),
    ]
    writeFileSync(path, `${lines.join('\n')}\n`)
    return { command: 'knotd', args: ['-c', path] }
  },
}

export default [knotd]
