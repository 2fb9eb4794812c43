import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { firstLine, type ServerKind, servesZones } from './server.ts'

export const nsd: ServerKind = {
  name: 'nsd',
  version: () => firstLine('nsd', '-v'),
  takes: servesZones,
  prepare({ address, cores, folder, port, workload, zoneFile }) {
    const path = join(folder, 'nsd.conf')
    const lines = [
      'server:',
      `  ip-address: ${address}@${port}`,
      `  server-count: ${cores}`,
      `  reuseport: ${cores > 1 ? 'yes' : 'no'}`,
      '  username: ""',
      '  database: ""',
      ...['zonelistfile', 'xfrdfile', 'pidfile', 'logfile'].map((file) => `  ${file}: "${join(folder, file)}"`),
      `  zonesdir: "${folder}"`,
      '  minimal-responses: yes',
      '  rrl-ratelimit: 0',
      '  tcp-count: 1000',
      '  tcp-query-count: 0',
      '  receive-buffer-size: 4194304',
      '  send-buffer-size: 4194304',
      'remote-control:',
      '  control-enable: no',
      ...workload.zones.flatMap(({ origin }) => ['zone:', `  name: ${origin}`, `  zonefile: ${zoneFile(origin)}`]),
    ]
    writeFileSync(path, `${lines.join('\n')}\n`)
    return { command: 'nsd', args: ['-d', '-c', path] }
  },
}

export default [nsd]
