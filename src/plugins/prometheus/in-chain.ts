/** Plugins that set something up and see no query: CoreDNS doesn't list them among a block's handlers. */
const NOT_IN_CHAIN: ReadonlySet<string> = new Set([
  'root',
  'proxyproto',
  'quic',
  'grpc_server',
  'https',
  'https3',
  'timeouts',
  'multisocket',
  'reload',
  'bind',
  'debug',
  'ready',
  'health',
  'pprof',
  'tls',
  'on',
  'sign',
])

/** Whether CoreDNS would count the plugin as a handler of its block. */
export function isInChain(plugin: string): boolean {
  return !NOT_IN_CHAIN.has(plugin)
}
