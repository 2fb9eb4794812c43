/**
 * $GENERATE: one entry for many numbers, as BIND defines it.
 *
 *   $GENERATE start-stop[/step] owner [ttl] [class] type rdata
 *
 *   $                       the number           $$, \$      a dollar sign
 *   ${offset,width,base}    number + offset, at least width characters wide, in base d, o, x, X, n or N (width and
 *                           base may be left out); n and N: hexadecimal digits from the last, a dot between them
 */
import { OctetWriter } from '../../wire/octet-writer.ts'
import { QUOTED, type TokenList } from '../text/token-list.ts'

/** Entries of one $GENERATE, as in CoreDNS. */
export const GENERATE_COUNT_MAX = 65536
/** Highest number in a range, offset added. */
const NUMBER_MAX = 0x7fffffff
/** Characters of one number. */
const WIDTH_MAX = 255

const EXAMPLE = '$GENERATE 1-100 host-$ A 192.0.2.$'
const MODIFIER_EXAMPLE = `\${0,3,d}`
const DOLLAR = 0x24
const BACKSLASH = 0x5c
const OPEN = 0x7b
const CLOSE = 0x7d
const NEWLINE = 0x0a

/** A piece of the entry: octets as they are, or the number in a form. */
type Piece =
  | { readonly octets: Uint8Array }
  | { readonly offset: number; readonly width: number; readonly base: string }

/** The entries of one $GENERATE line, one at a time. */
export class Generate {
  readonly #pieces: readonly Piece[]
  readonly #stop: number
  readonly #step: number
  #number: number
  readonly #out = new OctetWriter(256)

  /** Takes the tokens after `$GENERATE`. Throws RdataError. */
  constructor(tokens: TokenList) {
    const range = tokens.take('a range')
    const match = /^([0-9]{1,10})-([0-9]{1,10})(?:\/([0-9]{1,10}))?$/.exec(tokens.text(range))
    if (match === null) throw tokens.error(range, 'is not a range: start-stop or start-stop/step', EXAMPLE)
    this.#number = Number(match[1])
    this.#stop = Number(match[2])
    this.#step = match[3] === undefined ? 1 : Number(match[3])
    if (this.#stop < this.#number || this.#step === 0 || this.#stop > NUMBER_MAX) {
      throw tokens.error(range, `is not a range: its numbers rise from 0 up to ${NUMBER_MAX}`, EXAMPLE)
    }
    if ((this.#stop - this.#number) / this.#step >= GENERATE_COUNT_MAX) {
      throw tokens.error(range, `has more than ${GENERATE_COUNT_MAX} numbers`)
    }
    tokens.take('an owner')
    tokens.next--
    const pieces: Piece[] = []
    while (tokens.more) {
      const index = tokens.next++
      const mark = Buffer.from(tokens.kinds[index] === QUOTED ? '"' : '')
      pieces.push({ octets: mark })
      this.#split(tokens, index, pieces)
      pieces.push({ octets: mark }, { octets: Buffer.from(tokens.isAttached(tokens.next) ? '' : ' ') })
    }
    pieces.push({ octets: Uint8Array.of(NEWLINE) })
    this.#pieces = joined(pieces)
  }

  get done(): boolean {
    return this.#number > this.#stop
  }

  /** The next entry's octets, line break included: valid until the next call. */
  next(): Uint8Array {
    this.#out.length = 0
    for (const piece of this.#pieces) {
      if ('octets' in piece) this.#out.octets(piece.octets)
      else this.#out.octets(Buffer.from(numberText(this.#number + piece.offset, piece.width, piece.base), 'latin1'))
    }
    this.#number += this.#step
    return this.#out.bytes.subarray(0, this.#out.length)
  }

  #split(tokens: TokenList, index: number, pieces: Piece[]): void {
    const { source } = tokens
    const end = tokens.ends[index]!
    let plain: number[] = []
    for (let at = tokens.starts[index]!; at < end; at++) {
      const octet = source[at]!
      if (octet === BACKSLASH && at + 1 < end) {
        // An escaped dollar is one; other escapes are the entry's own.
        if (source[at + 1] !== DOLLAR) plain.push(octet)
        plain.push(source[++at]!)
      } else if (octet !== DOLLAR) plain.push(octet)
      else if (at + 1 < end && source[at + 1] === DOLLAR) plain.push(source[++at]!)
      else {
        pieces.push({ octets: Uint8Array.from(plain) })
        plain = []
        if (at + 1 < end && source[at + 1] === OPEN) {
          const close = source.indexOf(CLOSE, at)
          if (close < 0 || close >= end) throw tokens.error(index, `has a \${ without its }`, MODIFIER_EXAMPLE)
          pieces.push(this.#modifier(tokens, index, Buffer.from(source.subarray(at + 2, close)).toString('latin1')))
          at = close
        } else pieces.push({ offset: 0, width: 0, base: 'd' })
      }
    }
    pieces.push({ octets: Uint8Array.from(plain) })
  }

  #modifier(tokens: TokenList, index: number, text: string): Piece {
    const match = /^([-+]?[0-9]{1,10})(?:,([0-9]{1,3})(?:,([doxXnN]))?)?$/.exec(text)
    if (match === null)
      throw tokens.error(
        index,
        `has \${${text}}, which is not offset, width and base (d, o, x, X, n or N)`,
        MODIFIER_EXAMPLE,
      )
    const offset = Number(match[1])
    const width = Number(match[2] ?? 0)
    if (width > WIDTH_MAX) throw tokens.error(index, `has a width above ${WIDTH_MAX}`)
    if (this.#number + offset < 0 || this.#stop + offset > NUMBER_MAX) {
      throw tokens.error(index, `has an offset that leads out of 0 to ${NUMBER_MAX}`)
    }
    return { offset, width, base: match[3] ?? 'd' }
  }
}

function joined(pieces: readonly Piece[]): Piece[] {
  const out: Piece[] = []
  for (const piece of pieces) {
    const last = out.at(-1)
    if (last !== undefined && 'octets' in last && 'octets' in piece) {
      out[out.length - 1] = { octets: Buffer.concat([last.octets, piece.octets]) }
    } else out.push(piece)
  }
  return out
}

function numberText(number: number, width: number, base: string): string {
  switch (base) {
    case 'o':
      return number.toString(8).padStart(width, '0')
    case 'x':
      return number.toString(16).padStart(width, '0')
    case 'X':
      return number.toString(16).toUpperCase().padStart(width, '0')
    case 'n':
      return nibbles(number, width)
    case 'N':
      return nibbles(number, width).toUpperCase()
    default:
      return String(number).padStart(width, '0')
  }
}

/** Hexadecimal digits from the last to the first, dots between them; the width counts dots too. */
function nibbles(number: number, width: number): string {
  const digits = [...number.toString(16)].reverse()
  while (digits.length * 2 - 1 < width) digits.push('0')
  // An even width ends in a dot: BIND puts one in, for what follows.
  return digits.join('.') + (digits.length * 2 === width ? '.' : '')
}
