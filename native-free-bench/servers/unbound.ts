import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Workload } from '../workloads/workload.ts'
import { firstLine, type ServerKind, type Setup, servesZones } from './server.ts'

const unbound: ServerKind = {
  name: 'unbound',
  version: () => firstLine('unbound', '-V'),
  takes: (workload) => !workload.large,
  prepare({ address, cores, folder, port, upstreamPort, workload, zoneFile }) {
    const path = join(folder, 'unbound.conf')
    const lines = [
      'server:',
      `  interface: ${address}@${port}`,
      `  num-threads: ${cores}`,
      `  so-reuseport: ${cores > 1 ? 'yes' : 'no'}`,
      '  so-rcvbuf: 4m',
      '  so-sndbuf: 4m',
      `  directory: "${folder}"`,
      '  username: ""',
      '  chroot: ""',
      '  pidfile: ""',
      '  use-syslog: no',
      '  do-daemonize: no',
      '  verbosity: 0',
      '  module-config: "iterator"',
      '  do-not-query-localhost: no',
      '  minimal-responses: yes',
      '  num-queries-per-thread: 4096',
      '  outgoing-range: 8192',
      '  incoming-num-tcp: 1000',
      '  access-control: 127.0.0.0/8 allow',
      'remote-control:',
      '  control-enable: no',
      ...(servesZones(workload) ? zoneLines(workload, zoneFile) : []),
      ...(workload.forward === undefined ? [] : forwardLines(workload, `${address}@${upstreamPort}`)),
    ]
    writeFileSync(path, `${lines.join('\n')}\n`)
    return { command: 'unbound', args: ['-d', '-c', path] }
  },
}

function zoneLines({ zones }: Workload, zoneFile: Setup['zoneFile']): string[] {
  return zones.flatMap(({ origin }) => [
    'auth-zone:',
    `  name: "${origin}"`,
    `  zonefile: "${zoneFile(origin)}"`,
    '  for-downstream: yes',
    '  for-upstream: no',
    '  fallback-enabled: no',
  ])
}

function forwardLines({ forward }: Workload, upstream: string): string[] {
  const noCache = forward === 'uncached' ? 'yes' : 'no'
  return ['forward-zone:', '  name: "."', `  forward-addr: ${upstream}`, `  forward-no-cache: ${noCache}`]
}

export default [unbound]
