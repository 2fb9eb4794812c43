import { isDeepStrictEqual } from 'node:util'
import type { BlockConfig, BlockKey, PluginConfig } from './server-config.ts'

/** Which id each plugin of each block has. Kept from one configuration to the next, so that equal parts keep theirs. */
export interface SourceIds {
  /** As they were parsed. */
  readonly blocks: readonly BlockConfig[]
  /** The first id that was never given. */
  readonly next: number
}

export const NO_SOURCE_IDS: SourceIds = { blocks: [], next: 1 }

/**
 * Gives ids to the parts of one configuration, which are told block by block. An id is never given to another part, not even
 * after its own is gone.
 */
export class SourceIdGiver {
  /** The blocks before, by what their keys and root are. */
  readonly #previous = new Map<string, PluginConfig[]>()
  readonly #given = new Set<number>()
  #next: number
  /** Of the block asked for last. */
  #keys: readonly BlockKey[] | undefined
  #root = ''
  #candidates: readonly PluginConfig[] | undefined

  constructor(previous: SourceIds = NO_SOURCE_IDS) {
    this.#next = previous.next
    for (const { keys, root, plugins } of previous.blocks) {
      const text = textOf(keys, root)
      const known = this.#previous.get(text)
      if (known === undefined) this.#previous.set(text, [...plugins])
      else known.push(...plugins)
    }
  }

  /**
   * The part with its id: that of the configuration before if it had an equal part, and then the same object.
   * `options`: plain data.
   */
  give(
    name: string,
    module: string | undefined,
    keys: readonly BlockKey[],
    root: string,
    options: unknown,
  ): PluginConfig {
    if (this.#previous.size > 0) {
      if (keys !== this.#keys || root !== this.#root) {
        this.#keys = keys
        this.#root = root
        this.#candidates = this.#previous.get(textOf(keys, root))
      }
      const known = this.#candidates?.find(
        (part) =>
          part.name === name &&
          part.module === module &&
          !this.#given.has(part.sourceId) &&
          isDeepStrictEqual(part.options, options),
      )
      if (known !== undefined) {
        this.#given.add(known.sourceId)
        return known
      }
    }
    const sourceId = this.#next++
    return module === undefined ? { name, options, sourceId } : { name, options, sourceId, module }
  }

  /** The first id that wasn't given. */
  get next(): number {
    return this.#next
  }
}

function textOf(keys: readonly BlockKey[], root: string): string {
  return JSON.stringify([root, keys])
}
