import { findPlugins } from './plugin-cfg.ts'

/** Names of the plugins that a Corefile in the working folder can use, sorted as CoreDNS lists them: `on` last. */
export function listPlugins(): string[] {
  const { plugins } = findPlugins(process.cwd())
  const names = plugins.order.filter((name) => plugins.isBuilt(name))
  return names.sort((a, b) => Number(a === 'on') - Number(b === 'on') || (a < b ? -1 : 1))
}
