import type { SourceToken, TokenSource } from './tokens.ts'

/** Words that imports may bring in all; a Corefile that needs more multiplies itself. */
export const TOKENS_MAX = 1_000_000

/** Words that an import puts in place. */
class Frame implements TokenSource {
  readonly #tokens: readonly SourceToken[]
  #at = 0

  constructor(tokens: readonly SourceToken[]) {
    this.#tokens = tokens
  }

  next(): SourceToken | undefined {
    return this.#tokens[this.#at++]
  }
}

/** Reads words, with imported ones put in between. */
export class TokenReader {
  /** The innermost import is the last one. */
  readonly #sources: TokenSource[]
  #read = 0
  /** The next word, once somebody looked. */
  #ahead: SourceToken | undefined
  /** The word read last; undefined before the first. */
  last: SourceToken | undefined

  constructor(source: TokenSource) {
    this.#sources = [source]
  }

  /** The next words to be read, before those that are left. */
  insert(tokens: readonly SourceToken[]): void {
    if (this.#ahead !== undefined) this.#sources.push(new Frame([this.#ahead]))
    this.#ahead = undefined
    this.#sources.push(new Frame(tokens))
  }

  /** The next word without reading it. */
  peek(): SourceToken | undefined {
    while (this.#ahead === undefined) {
      const source = this.#sources.at(-1)
      if (source === undefined) return undefined
      this.#ahead = source.next()
      if (this.#ahead === undefined) this.#sources.pop()
    }
    return this.#ahead
  }

  next(): SourceToken | undefined {
    const token = this.peek()
    if (token === undefined) return undefined
    this.#ahead = undefined
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
    this.#sources.length = 0
    this.#ahead = undefined
  }
}
