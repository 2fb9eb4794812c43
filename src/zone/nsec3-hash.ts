/** The hash of NSEC3 (RFC 5155 section 5): SHA-1 of name and salt, over and over. On words, without allocating. */

/**
 * Extra iterations that are computed. RFC 9276 asks for none, and validators treat more than 50 to 150 as insecure or
 * broken; a zone with more is answered without its proofs rather than letting a query cost a millisecond.
 */
export const NSEC3_ITERATIONS_MAX = 150
export const SALT_SIZE_MAX = 255

/** Name, salt and padding fill at most this. */
const MESSAGE_SIZE_MAX = 9 * 64

export class Nsec3Hasher {
  readonly salt = new Uint8Array(SALT_SIZE_MAX)
  saltLength = 0
  iterations = 0
  /** The hash: five words, the first octet on top. */
  readonly hash = new Int32Array(5)
  readonly #message = new Uint8Array(MESSAGE_SIZE_MAX)
  readonly #schedule = new Int32Array(80)

  /** Hashes the name `name[at .. at + length)`, wire form, lower-case, into `hash`. */
  hashName(name: Uint8Array, at: number, length: number): void {
    const message = this.#message
    for (let i = 0; i < length; i++) message[i] = name[at + i]!
    this.#digest(length)
    for (let k = Math.min(this.iterations, NSEC3_ITERATIONS_MAX); k > 0; k--) {
      for (let i = 0; i < 5; i++) {
        const word = this.hash[i]!
        message[4 * i] = word >>> 24
        message[4 * i + 1] = word >>> 16
        message[4 * i + 2] = word >>> 8
        message[4 * i + 3] = word
      }
      this.#digest(20)
    }
  }

  /** SHA-1 of the first `length` octets of the message and the salt. FIPS 180-4. */
  #digest(length: number): void {
    const { hash, salt, saltLength } = this
    const message = this.#message
    let end = length
    for (let i = 0; i < saltLength; i++) message[end++] = salt[i]!
    const bits = end * 8
    message[end++] = 0x80
    while ((end & 63) !== 56) message[end++] = 0
    message[end++] = 0
    message[end++] = 0
    message[end++] = 0
    message[end++] = 0
    message[end++] = bits >>> 24
    message[end++] = bits >>> 16
    message[end++] = bits >>> 8
    message[end++] = bits
    hash[0] = 0x67452301
    hash[1] = 0xefcdab89
    hash[2] = 0x98badcfe
    hash[3] = 0x10325476
    hash[4] = 0xc3d2e1f0
    for (let block = 0; block < end; block += 64) this.#block(block)
  }

  #block(from: number): void {
    const w = this.#schedule
    const message = this.#message
    for (let i = 0, at = from; i < 16; i++, at += 4) {
      w[i] = (message[at]! << 24) | (message[at + 1]! << 16) | (message[at + 2]! << 8) | message[at + 3]!
    }
    for (let i = 16; i < 80; i++) {
      const x = w[i - 3]! ^ w[i - 8]! ^ w[i - 14]! ^ w[i - 16]!
      w[i] = (x << 1) | (x >>> 31)
    }
    const { hash } = this
    let a = hash[0]!
    let b = hash[1]!
    let c = hash[2]!
    let d = hash[3]!
    let e = hash[4]!
    for (let i = 0; i < 80; i++) {
      let f: number
      if (i < 20) f = (((b & c) | (~b & d)) + 0x5a827999) | 0
      else if (i < 40) f = ((b ^ c ^ d) + 0x6ed9eba1) | 0
      else if (i < 60) f = (((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc) | 0
      else f = ((b ^ c ^ d) + 0xca62c1d6) | 0
      const t = (((a << 5) | (a >>> 27)) + f + e + w[i]!) | 0
      e = d
      d = c
      c = (b << 30) | (b >>> 2)
      b = a
      a = t
    }
    hash[0] = hash[0]! + a
    hash[1] = hash[1]! + b
    hash[2] = hash[2]! + c
    hash[3] = hash[3]! + d
    hash[4] = hash[4]! + e
  }
}
