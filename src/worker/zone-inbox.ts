/**
 * Changes of the record store on their way in, in the order they came, a slice at a time: between slices the event loop
 * answers queries. Whatever must keep its place among the changes (a hold, a swap) waits in the same line.
 */
import { createLogger } from '../observe/log.ts'
import type { ZoneChange } from '../zone/zone-change.ts'
import type { ZoneStore } from '../zone/zone-store.ts'

/** Milliseconds of the event loop that one slice takes, a single change's time more. */
const SLICE_MS = 3

type Item =
  | { readonly changes: readonly ZoneChange[]; readonly whole: boolean; readonly done: () => void }
  | { readonly run: () => void }

export class ZoneInbox {
  readonly #store: ZoneStore
  readonly #log = createLogger()
  readonly #items: Item[] = []
  /** Changes of the first item that are applied. */
  #applied = 0
  #scheduled = false

  constructor(store: ZoneStore) {
    this.#store = store
  }

  /** Applies the changes when their turn comes, then calls `done`. `whole`: in one go, because clients wait meanwhile. */
  put(changes: readonly ZoneChange[], whole: boolean, done: () => void): void {
    this.#items.push({ changes, whole, done })
    this.#slice()
  }

  /** Calls `run` when all that came before is applied. */
  after(run: () => void): void {
    this.#items.push({ run })
    this.#slice()
  }

  #slice(): void {
    if (this.#scheduled) return
    const until = performance.now() + SLICE_MS
    for (let item = this.#items[0]; item !== undefined; item = this.#items[0]) {
      if (!this.#advance(item, until)) {
        this.#scheduled = true
        setImmediate(() => {
          this.#scheduled = false
          this.#slice()
        })
        return
      }
    }
  }

  /** Whether the item is done with. */
  #advance(item: Item, until: number): boolean {
    if ('run' in item) {
      this.#items.shift()
      item.run()
      return true
    }
    while (this.#applied < item.changes.length) {
      if (!item.whole && performance.now() >= until) return false
      this.#apply(item.changes[this.#applied++]!)
    }
    this.#applied = 0
    this.#items.shift()
    item.done()
    return true
  }

  /** What can't be applied (no memory is left, a batch is malformed) leaves what is served, and is said. */
  #apply(change: ZoneChange): void {
    try {
      this.#store.apply(change)
    } catch (error) {
      this.#log.error(`records are out of date: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
}
