/** Reads the events of a watch, one JSON object a line, while they arrive. */
import { OBJECT_SIZE_MAX } from './json-list.ts'

const NEWLINE = 0x0a

export class JsonLines {
  readonly #onLine: (line: unknown) => void
  #rest: Buffer[] = []
  #restSize = 0

  /** `onLine` gets every line, parsed. */
  constructor(onLine: (line: unknown) => void) {
    this.#onLine = onLine
  }

  /** Takes the next octets. Throws SyntaxError for what is no JSON, RangeError for a line that is too long. */
  push(chunk: Buffer): void {
    let from = 0
    for (;;) {
      const newline = chunk.indexOf(NEWLINE, from)
      if (newline < 0) break
      this.#keep(chunk.subarray(from, newline))
      from = newline + 1
      const line = this.#rest.length === 1 ? this.#rest[0]! : Buffer.concat(this.#rest)
      this.#rest = []
      this.#restSize = 0
      const text = line.toString('utf8')
      if (text.trim() !== '') this.#onLine(JSON.parse(text))
    }
    if (from < chunk.length) this.#keep(chunk.subarray(from))
  }

  #keep(part: Buffer): void {
    this.#restSize += part.length
    if (this.#restSize > OBJECT_SIZE_MAX) throw new RangeError(`an event of more than ${OBJECT_SIZE_MAX} octets`)
    this.#rest.push(part)
  }
}
