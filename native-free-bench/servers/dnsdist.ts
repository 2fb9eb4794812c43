import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { firstLine, type ServerKind } from './server.ts'

/** Its packet cache before a server that holds the zones; for forwarding, without the cache. */
const dnsdist: ServerKind = {
  name: 'dnsdist',
  version: () => firstLine('dnsdist', '--version'),
  takes: (workload) => !workload.large,
  needsUpstream: true,
  prepare({ address, cores, folder, port, upstreamPort, workload }) {
    const path = join(folder, 'dnsdist.conf')
    const locals = Array.from({ length: cores }, (_, i) => {
      const call = i === 0 ? 'setLocal' : 'addLocal'
      return `${call}("${address}:${port}", { reusePort = ${cores > 1} })`
    })
    const lines = [
      ...locals,
      'setACL("127.0.0.0/8")',
      'setSecurityPollSuffix("")',
      'setMaxUDPOutstanding(65535)',
      `newServer({ address = "${address}:${upstreamPort}", sockets = 4 })`,
      'getServer(0):setUp()',
      ...(workload.forward === 'uncached'
        ? []
        : ['getPool(""):setCache(newPacketCache(200000, { maxTTL = 86400, staleTTL = 60 }))']),
    ]
    writeFileSync(path, `${lines.join('\n')}\n`)
    return { command: 'dnsdist', args: ['--supervised', '--disable-syslog', '-C', path] }
  },
}

export default [dnsdist]
