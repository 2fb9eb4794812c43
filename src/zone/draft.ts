/**
 * What one change of the store has in hand: the blocks it made, which no reader can reach yet, and the ones it made
 * superfluous, which readers still see.
 *
 * Blocks of a draft may be changed in place and freed at once. Others are copied first (`own`) and freed only after the
 * change was shown (`retired`). A draft that builds a whole zone anew (`whole`) never meets a block that isn't its own.
 */
import type { Allocator } from './allocator.ts'

export class Draft {
  readonly words: Int32Array
  readonly allocator: Allocator
  /** Blocks to free once the change is visible. */
  readonly retired: number[] = []
  readonly #fresh: Set<number> | undefined

  constructor(words: Int32Array, allocator: Allocator, whole: boolean) {
    this.words = words
    this.allocator = allocator
    this.#fresh = whole ? undefined : new Set()
  }

  allocate(size: number): number {
    const block = this.allocator.allocate(size)
    this.#fresh?.add(block)
    return block
  }

  isFresh(block: number): boolean {
    return this.#fresh === undefined || this.#fresh.has(block)
  }

  /** The block itself if it is the draft's, else a copy of its first `size` words, with the block retired. */
  own(block: number, size: number): number {
    if (this.isFresh(block)) return block
    const copy = this.allocate(size)
    this.words.copyWithin(copy, block, block + size)
    this.retired.push(block)
    return copy
  }

  /** The block is needed no more. */
  release(block: number): void {
    if (this.#fresh === undefined) this.allocator.free(block)
    else if (this.#fresh.delete(block)) this.allocator.free(block)
    else this.retired.push(block)
  }

  /** Frees what the draft made, when it came to nothing. For a `whole` draft the caller walks what it built instead. */
  abandon(): void {
    if (this.#fresh === undefined) return
    for (const block of this.#fresh) this.allocator.free(block)
    this.#fresh.clear()
    this.retired.length = 0
  }
}
