import type { SourceToken } from './tokens.ts'

/** Words that imports may bring in all; a Corefile that needs more multiplies itself. */
export const TOKENS_MAX = 1_000_000

interface Frame {
  readonly tokens: readonly SourceToken[]
  at: number
}

/** Reads words, with imported ones put in between. */
export class TokenReader {
  readonly #frames: Frame[] = []
  #read = 0
  /** The word read last; undefined before the first. */
  last: SourceToken | undefined

  constructor(tokens: readonly SourceToken[]) {
    this.insert(tokens)
  }

  /** The next words to be read, before those that are left. */
  insert(tokens: readonly SourceToken[]): void {
    if (tokens.length > 0) this.#frames.push({ tokens, at: 0 })
  }

  /** The next word without reading it. */
  peek(): SourceToken | undefined {
    for (;;) {
      const frame = this.#frames.at(-1)
      if (frame === undefined) return undefined
      if (frame.at < frame.tokens.length) return frame.tokens[frame.at]
      this.#frames.pop()
    }
  }

  next(): SourceToken | undefined {
    const token = this.peek()
    if (token === undefined) return undefined
    this.#frames.at(-1)!.at++
    this.#read++
    this.last = token
    return token
  }

  /** The next word if it stands on the line of the one read last. */
  peekOnLine(): SourceToken | undefined {
    const token = this.peek()
    return token === undefined || token.startsLine ? undefined : token
  }

  /** More words were read than any Corefile has. */
  get isExhausted(): boolean {
    return this.#read > TOKENS_MAX
  }

  /** Reads no further. */
  stop(): void {
    this.#frames.length = 0
  }
}
