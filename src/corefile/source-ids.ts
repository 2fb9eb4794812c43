import { createHash } from 'node:crypto'
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
  #next: number

  constructor(previous: SourceIds = NO_SOURCE_IDS) {
    this.#previous = previous
    this.#next = previous.next
  }

  /** The part's id: that of the configuration before if it had an equal part. `options`: plain data, else it throws. */
  give(plugin: string, module: string | undefined, keys: readonly BlockKey[], root: string, options: unknown): number {
    const hash = createHash('sha256').update(JSON.stringify([plugin, module ?? null, root, keys]))
    const part = hash.update(serialize(options)).digest('base64')
    const given = this.#given.get(part) ?? []
    const id = this.#previous.byPart.get(part)?.[given.length] ?? this.#next++
    this.#given.set(part, [...given, id])
    return id
  }

  result(): SourceIds {
    return { byPart: this.#given, next: this.#next }
  }
}
