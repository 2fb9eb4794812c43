import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { firstLine, type ServerKind, servesZones } from './server.ts'

const named: ServerKind = {
  name: 'named',
  version: () => firstLine('named', '-v'),
  takes: servesZones,
  prepare({ address, cores, folder, port, workload, zoneFile }) {
    const path = join(folder, 'named.conf')
    const lines = [
      'options {',
      `  directory "${folder}";`,
      `  listen-on port ${port} { ${address}; };`,
      '  listen-on-v6 { none; };',
      '  pid-file none;',
      `  session-keyfile "${join(folder, 'session.key')}";`,
      '  recursion no;',
      '  minimal-responses yes;',
      '  notify no;',
      '  tcp-clients 10000;',
      '};',
      'controls {};',
      ...workload.zones.map(({ origin }) => `zone "${origin}" { type primary; file "${zoneFile(origin)}"; };`),
    ]
    writeFileSync(path, `${lines.join('\n')}\n`)
    return { command: 'named', args: ['-f', '-n', `${cores}`, '-c', path] }
  },
}

export default [named]
