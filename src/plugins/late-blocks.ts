/**
 * Which blocks are opened, in a thread, when their first query comes: those of plugins that open late (`Plugin.opensLate`). Of
 * thousands of zones few are asked for soon. The first block with the same plugins, once they are loaded, is opened at once all the
 * same: what can go wrong does so at the start.
 */
import type { BlockConfig, PluginConfig } from '../corefile/server-config.ts'
import { loadedPlugin } from './order.ts'

export class LateBlocks {
  readonly #opened = new Set<string>()

  /** Asked once for each block, in order. */
  isLate(block: BlockConfig): boolean {
    if (!block.plugins.every(opensLate)) return false
    let plugins = ''
    for (const { name } of block.plugins) plugins += `${name} `
    if (this.#opened.has(plugins)) return true
    this.#opened.add(plugins)
    return false
  }
}

function opensLate({ name, module, options }: PluginConfig): boolean {
  const plugin = loadedPlugin(name, module)
  if (plugin === undefined) return false
  if (plugin.handle === undefined && plugin.front === undefined) return true
  return plugin.opensLate?.(options) === true
}
