import { hash } from 'node:crypto'
import { serialize } from 'node:v8'
import type { BlockKey } from './server-config.ts'

/** Which id each plugin of each block has. Kept from one configuration to the next, so that equal parts keep theirs. */
export interface SourceIds {
  /** By what the part is made of; several where equal parts stand in several blocks. */
  readonly byPart: ReadonlyMap<string, readonly number[]>
  /** The first id that was never given. */
  readonly next: number
}

export const NO_SOURCE_IDS: SourceIds = { byPart: new Map(), next: 1 }

/** Gives ids to the parts of one configuration. An id is never given to another part, not even after its own is gone. */
export class SourceIdGiver {
  readonly #previous: SourceIds
  readonly #given = new Map<string, number[]>()
  #options: unknown
  /** Of the options asked for last. */
  #text: string | undefined
  #next: number

  constructor(previous: SourceIds = NO_SOURCE_IDS) {
    this.#previous = previous
    this.#next = previous.next
  }

  /** The part's id: that of the configuration before if it had an equal part. `options`: plain data, else it throws. */
  give(plugin: string, module: string | undefined, keys: readonly BlockKey[], root: string, options: unknown): number {
    const part = hash('sha256', JSON.stringify([plugin, module ?? null, root, keys, this.#textOf(options)]), 'base64')
    const given = this.#given.get(part)
    const id = this.#previous.byPart.get(part)?.[given?.length ?? 0] ?? this.#next++
    if (given === undefined) this.#given.set(part, [id])
    else given.push(id)
    return id
  }

  /** The same for equal options. Blocks that share theirs come one after another. */
  #textOf(options: unknown): string {
    if (this.#text === undefined || options !== this.#options) {
      this.#options = options
      this.#text = serialize(options).toString('latin1')
    }
    return this.#text
  }

  result(): SourceIds {
    return { byPart: this.#given, next: this.#next }
  }
}
