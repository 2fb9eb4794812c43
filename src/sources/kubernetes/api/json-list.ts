/**
 * Reads a list as the API server sends it, `{"kind":…,"metadata":{…},"items":[{…},{…}]}`, while it arrives: every item is
 * parsed by itself and handed on, so that a list of any length costs the memory of its largest item.
 *
 *   depth 0      before and after the list
 *   depth 1      the list's own properties; those besides `items` are kept and parsed at the end
 *   depth 2      inside `items`: between two items
 *   deeper       an item, or another property
 */

/** Octets of one object. etcd takes 1.5 MiB by default. */
export const OBJECT_SIZE_MAX = 16 << 20

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
const ITEMS = 'items'

/** What a list says besides its items. */
export interface ListHead {
  readonly kind?: string
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string }
}

export class JsonList {
  readonly #onItem: (item: unknown) => void
  #depth = 0
  #inString = false
  #escaped = false
  #inItems = false
  /** The last string of depth 1, cut short: the name of the property whose value begins. */
  #lastString = ''
  /** What is being collected: an item, or the list without its items. */
  #item: Buffer[] = []
  #itemSize = 0
  #head: Buffer[] = []
  #headSize = 0

  /** `onItem` gets every item, parsed. */
  constructor(onItem: (item: unknown) => void) {
    this.#onItem = onItem
  }

  /** Takes the next octets. Throws SyntaxError for what is no JSON, RangeError for an object that is too large. */
  push(chunk: Buffer): void {
    /** Where the octets start that belong to what is being collected. */
    let from = 0
    let at = 0
    for (;;) {
      if (this.#inString) {
        at = this.#stringEnd(chunk, at)
        if (this.#inString) break
      }
      at = this.#nextSign(chunk, at)
      if (at === chunk.length) break
      const octet = chunk[at]!
      switch (octet) {
        case QUOTE:
          this.#inString = true
          if (this.#isAtTop) this.#lastString = ''
          break
        case OPEN_OBJECT:
          if (this.#inItems && this.#depth === 2) from = at
          this.#depth++
          break
        case OPEN_ARRAY:
          if (this.#isAtTop && this.#lastString === ITEMS) {
            this.#inItems = true
            this.#keep(chunk.subarray(from, at + 1))
            from = at + 1
          }
          this.#depth++
          break
        case CLOSE_OBJECT:
          this.#depth--
          if (this.#inItems && this.#depth === 2) {
            this.#keepItem(chunk.subarray(from, at + 1))
            from = at + 1
            this.#endItem()
          }
          break
        default:
          this.#depth--
          if (this.#inItems && this.#depth === 1) {
            this.#inItems = false
            from = at
          }
      }
      at++
      if (this.#depth < 0) throw new SyntaxError('the list ends before it begins')
    }
    if (!this.#inItems) this.#keep(chunk.subarray(from))
    else if (this.#depth > 2) this.#keepItem(chunk.subarray(from))
  }

  get #isAtTop(): boolean {
    return this.#depth === 1 && !this.#inItems
  }

  /** Just past the end of the string that `at` is in; the chunk's end when it goes on in the next. */
  #stringEnd(chunk: Buffer, from: number): number {
    const { length } = chunk
    let at = from
    if (this.#escaped && at < length) {
      this.#escaped = false
      at++
    }
    for (; at < length; at++) {
      const octet = chunk[at]!
      if (octet === QUOTE) {
        this.#inString = false
        break
      }
      if (octet !== BACKSLASH) continue
      at++
      this.#escaped = at === length
    }
    if (this.#isAtTop) {
      this.#lastString = (this.#lastString + chunk.toString('latin1', from, at)).slice(0, ITEMS.length + 1)
    }
    return Math.min(at + 1, length)
  }

  /** The next octet outside of strings that means something, or the chunk's end. Where most of the time goes. */
  #nextSign(chunk: Buffer, from: number): number {
    const { length } = chunk
    for (let at = from; at < length; at++) {
      const octet = chunk[at]!
      if (octet === QUOTE || octet === OPEN_OBJECT || octet === CLOSE_OBJECT || octet === OPEN_ARRAY) return at
      if (octet === CLOSE_ARRAY) return at
    }
    return length
  }

  /** What the list says besides its items. Throws SyntaxError when it isn't whole. */
  end(): ListHead {
    if (this.#depth !== 0 || this.#headSize === 0) throw new SyntaxError('the list ends in the middle')
    return JSON.parse(Buffer.concat(this.#head).toString('utf8')) as ListHead
  }

  #keep(part: Buffer): void {
    this.#headSize += part.length
    if (this.#headSize > OBJECT_SIZE_MAX) throw new RangeError(`more than ${OBJECT_SIZE_MAX} octets around the items`)
    if (part.length > 0) this.#head.push(Buffer.from(part))
  }

  #keepItem(part: Buffer): void {
    this.#itemSize += part.length
    if (this.#itemSize > OBJECT_SIZE_MAX) throw new RangeError(`an object of more than ${OBJECT_SIZE_MAX} octets`)
    this.#item.push(part)
  }

  #endItem(): void {
    const text = this.#item.length === 1 ? this.#item[0]! : Buffer.concat(this.#item)
    this.#item = []
    this.#itemSize = 0
    this.#onItem(JSON.parse(text.toString('utf8')))
  }
}
