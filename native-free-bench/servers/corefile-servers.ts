/** Shoal and CoreDNS: the same Corefile, with what a cluster's has on. */
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { firstLine, type ServerKind, type Setup } from './server.ts'

const PLUGINS = ['errors', 'cache', 'loadbalance']
const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** SHOAL names another launcher: another checkout's, or an installed one. Otherwise it is what `npm run build` wrote, as it is published. */
const other = process.env['SHOAL']
const launcher = other ?? join(ROOT, 'bin/shoal')
const main = other ?? join(ROOT, 'dist/main.js')

function corefile(setup: Setup): string {
  const { address, adminPort, port, workload } = setup
  const block = (zone: string, lines: readonly string[]) =>
    [`${zone}:${port} {`, ...[`bind ${address}`, ...lines].map((line) => `    ${line}`), '}', ''].join('\n')
  const plugins = workload.plugins ?? PLUGINS.filter((plugin) => plugin !== 'cache' || workload.forward !== 'uncached')
  const common = [...plugins, `prometheus ${address}:${adminPort}`]
  if (workload.corefile !== undefined)
    return block('.', [
      ...common,
      ...workload
        .corefile((origin) => setup.zoneFile(origin), `${address}:${setup.upstreamPort}`, setup.clusterUrl)
        .split('\n'),
    ])
  if (workload.forward !== undefined) return block('.', [...common, `forward . ${address}:${setup.upstreamPort}`])
  return workload.zones.map(({ origin }) => block(origin, [...common, `file ${setup.zoneFile(origin)}`])).join('')
}

function shoal(name: string, udp: 'mmsg' | 'dgram'): ServerKind {
  return {
    name,
    version: () => (existsSync(main) ? firstLine(launcher, '-version') : undefined),
    takes: () => true,
    prepare(setup) {
      const path = join(setup.folder, 'Corefile')
      writeFileSync(path, corefile(setup))
      return {
        command: launcher,
        args: ['-conf', path, '-udp', udp, '-processes', `${setup.cores}`, '-quiet'],
        env: other === undefined ? { SHOAL_BUILT: '1' } : {},
      }
    },
  }
}

const coredns: ServerKind = {
  name: 'coredns',
  version: () => firstLine(corednsCommand(), '-version'),
  takes: () => true,
  prepare(setup) {
    const path = join(setup.folder, 'Corefile')
    const sockets =
      setup.cores > 1 ? corefile(setup).replaceAll('{\n', `{\n    multisocket ${setup.cores}\n`) : corefile(setup)
    writeFileSync(path, sockets)
    return { command: corednsCommand(), args: ['-conf', path, '-quiet'], env: { GOMAXPROCS: `${setup.cores}` } }
  },
}

/** COREDNS names a binary that is not on PATH. */
function corednsCommand(): string {
  return process.env['COREDNS'] ?? 'coredns'
}

export default [shoal('shoal', 'mmsg'), shoal('shoal-dgram', 'dgram'), coredns]
