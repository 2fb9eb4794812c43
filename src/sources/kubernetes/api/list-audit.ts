/**
 * Compares what is known with a fresh list, while the watch goes on: finds what a lost event left wrong.
 *
 *   list, item by item ─► known as it is here? ── no ──► suspect
 *   watch ─ event of an object ─────────────────────────► no suspect any more: the watch is as new, or newer
 *   the watch has passed the list's version, or had the time to ─► what is suspect still is wrong
 *
 * The list is newer than everything that was known when it was asked for, so an object that differs is either on its way in the watch or lost.
 */
import type { ObjectSink } from './list-watch.ts'

/** So many at once are no lost events: all is listed anew. Also bounds the memory. */
const SUSPECTS_MAX = 1000

/** A sink that can say what it knows. */
export interface AuditedSink extends ObjectSink {
  /** A comparison begins: what `isKnown` and `put` don't name from now on is `unlisted`. */
  beginAudit(): void
  /** Whether the object is known as it is here; from now on it counts as listed in any case. */
  isKnown(object: unknown): boolean
  /** What is known and wasn't named, in the form that `remove` takes. */
  unlisted(): Iterable<unknown>
}

interface Named {
  readonly metadata?: { readonly namespace?: string; readonly name?: string }
}

interface Suspect {
  readonly object: unknown
  readonly isThere: boolean
}

export class ListAudit {
  readonly #sink: AuditedSink
  readonly #suspects = new Map<string, Suspect>()
  /** Objects that the watch told of while the list was read. */
  #told: Set<string> | undefined = new Set()

  constructor(sink: AuditedSink) {
    this.#sink = sink
    sink.beginAudit()
  }

  get suspectCount(): number {
    return this.#suspects.size
  }

  /** More is wrong than events that were lost. */
  get isHopeless(): boolean {
    return this.#suspects.size > SUSPECTS_MAX
  }

  /** An object of the list. */
  compare(object: unknown): void {
    if (!this.#sink.isKnown(object)) this.#suspect(object, true)
  }

  /** The watch told of an object. */
  told(object: unknown): void {
    const key = keyOf(object)
    this.#told?.add(key)
    this.#suspects.delete(key)
  }

  /** The list is whole. */
  endList(): void {
    for (const object of this.#sink.unlisted()) this.#suspect(object, false)
    this.#told = undefined
  }

  /** Puts right what is suspect; returns how many objects that were. */
  repair(): number {
    const { size } = this.#suspects
    for (const { object, isThere } of this.#suspects.values()) {
      if (isThere) this.#sink.put(object)
      else this.#sink.remove(object)
    }
    this.#suspects.clear()
    return size
  }

  #suspect(object: unknown, isThere: boolean): void {
    const key = keyOf(object)
    if (this.isHopeless || this.#told?.has(key) === true) return
    this.#suspects.set(key, { object, isThere })
  }
}

function keyOf(object: unknown): string {
  const { namespace = '', name = '' } = (object as Named).metadata ?? {}
  return `${namespace}/${name}`
}
