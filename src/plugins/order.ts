/**
 * The plugins in chain order. The order in which directives stand in a Corefile never matters: a query meets the
 * plugins of its block in this order, and set-up runs in it too.
 *
 * `load` brings a built-in plugin's module, on first use only. A row without it is a plugin of CoreDNS that Shoal does
 * not have yet: a Corefile that names it gets that said, not an unknown directive.
 */
import type { Plugin } from '../chain/plugin.ts'

export interface PluginRow {
  readonly name: string
  readonly load?: () => Promise<{ readonly plugin: Plugin }>
  /** Package behind a name of CoreDNS's plugin.cfg where it is not the name itself. */
  readonly goPackage?: string
}

export const PLUGINS: readonly PluginRow[] = [
  { name: 'root', load: () => import('./root/index.ts') },
  { name: 'metadata' },
  { name: 'geoip' },
  { name: 'cancel', load: () => import('./cancel/index.ts') },
  { name: 'proxyproto' },
  { name: 'quic' },
  { name: 'grpc_server' },
  { name: 'https' },
  { name: 'https3' },
  { name: 'timeouts' },
  { name: 'multisocket', load: () => import('./multisocket/index.ts') },
  { name: 'reload', load: () => import('./reload/index.ts') },
  { name: 'nsid' },
  { name: 'bufsize' },
  { name: 'bind', load: () => import('./bind/index.ts') },
  { name: 'debug', load: () => import('./debug/index.ts') },
  { name: 'trace' },
  { name: 'ready', load: () => import('./ready/index.ts') },
  { name: 'health', load: () => import('./health/index.ts') },
  { name: 'pprof' },
  { name: 'shed' },
  { name: 'prometheus', load: () => import('./prometheus/index.ts'), goPackage: 'metrics' },
  { name: 'errors', load: () => import('./errors/index.ts') },
  { name: 'log', load: () => import('./log/index.ts') },
  { name: 'dnstap' },
  { name: 'local', load: () => import('./local/index.ts') },
  { name: 'dns64' },
  { name: 'any', load: () => import('./any/index.ts') },
  { name: 'chaos', load: () => import('./chaos/index.ts') },
  { name: 'loadbalance', load: () => import('./loadbalance/index.ts') },
  { name: 'tsig' },
  { name: 'rewrite' },
  { name: 'autopath', load: () => import('./autopath/index.ts') },
  { name: 'acl' },
  { name: 'cache', load: () => import('./cache/index.ts') },
  { name: 'header' },
  { name: 'dnssec' },
  { name: 'tls' },
  { name: 'minimal', load: () => import('./minimal/index.ts') },
  { name: 'template', load: () => import('./template/index.ts') },
  { name: 'transfer' },
  { name: 'hosts', load: () => import('./hosts/index.ts') },
  { name: 'route53' },
  { name: 'azure' },
  { name: 'clouddns' },
  { name: 'k8s_external', load: () => import('./k8s_external/index.ts') },
  { name: 'kubernetes', load: () => import('./kubernetes/index.ts') },
  { name: 'file', load: () => import('./file/index.ts') },
  { name: 'auto', load: () => import('./auto/index.ts') },
  { name: 'secondary' },
  { name: 'etcd' },
  { name: 'loop', load: () => import('./loop/index.ts') },
  { name: 'forward', load: () => import('./forward/index.ts') },
  { name: 'grpc' },
  { name: 'erratic' },
  { name: 'whoami', load: () => import('./whoami/index.ts') },
  { name: 'on', goPackage: 'github.com/coredns/caddy/onevent' },
  { name: 'sign' },
  { name: 'view' },
  { name: 'nomad' },
]

const ROWS: ReadonlyMap<string, PluginRow> = new Map(PLUGINS.map((row) => [row.name, row]))
const loaded = new Map<string, Promise<Plugin>>()
const atHand = new Map<string, Plugin>()

/** The built-in plugin's row, also when it is not built yet. */
export function pluginRow(name: string): PluginRow | undefined {
  return ROWS.get(name)
}

/**
 * Loads a plugin's module, once per thread: the built-in one of this name, or the one behind `module` (a URL, as
 * `PluginConfig.module` has it). Rejects when there is none, or when the module exports no plugin of this name.
 */
export function loadPlugin(name: string, module?: string): Promise<Plugin> {
  const key = module ?? name
  let promise = loaded.get(key)
  if (promise === undefined) {
    promise = load(name, module)
    loaded.set(key, promise)
    promise.then(
      (plugin) => atHand.set(key, plugin),
      // Another try may find the file there.
      () => loaded.delete(key),
    )
  }
  return promise
}

/** What `loadPlugin` has loaded already, for those who go through thousands of blocks. */
export function loadedPlugin(name: string, module?: string): Plugin | undefined {
  return atHand.get(module ?? name)
}

async function load(name: string, module: string | undefined): Promise<Plugin> {
  if (module === undefined) {
    const row = ROWS.get(name)
    if (row?.load === undefined) throw new Error(`there is no built-in plugin ${name}`)
    return (await row.load()).plugin
  }
  const exported: { readonly plugin?: Plugin; readonly default?: Plugin } = await import(module)
  const plugin = exported.plugin ?? exported.default
  if (typeof plugin?.parse !== 'function') throw new Error(`${module} doesn't export a plugin`)
  if (plugin.name !== name) throw new Error(`${module} exports the plugin "${plugin.name}", not "${name}"`)
  return plugin
}
