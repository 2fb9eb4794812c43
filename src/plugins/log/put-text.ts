/** Values as text octets, written at `out[at]`; each function returns the offset past what it wrote. None allocates. */

const ZERO = 0x30
const DOT = 0x2e
const COLON = 0x3a
const BACKSLASH = 0x5c

/** A whole number from 0 to 2^31 - 1. */
export function putDecimal(out: Uint8Array, at: number, value: number): number {
  if (value < 10) {
    out[at] = ZERO + value
    return at + 1
  }
  let digits = 2
  for (let bound = 100; bound <= value; bound *= 10) digits++
  const end = at + digits
  let rest = value | 0
  for (let i = end - 1; i >= at; i--) {
    const tens = (rest / 10) | 0
    out[i] = ZERO + rest - 10 * tens
    rest = tens
  }
  return end
}

/** How an octet of a label is written: 0 as it is, 1 behind a backslash, 2 as \DDD. */
const escapes = new Uint8Array(256)
for (let octet = 0; octet < 256; octet++) escapes[octet] = octet < 0x20 || octet > 0x7e ? 2 : 0
for (const character of `. '@;()"\\`) escapes[character.charCodeAt(0)] = 1

/** A name without pointers in wire form as absolute presentation text: at most four octets per octet of the name. */
export function putName(out: Uint8Array, from: number, name: Uint8Array): number {
  let at = from
  let next = name[0]!
  if (next === 0) {
    out[at] = DOT
    return at + 1
  }
  for (let i = 1; ; ) {
    for (const end = i + next; i < end; i++) {
      const octet = name[i]!
      const how = escapes[octet]!
      if (how === 0) out[at++] = octet
      else if (how === 1) {
        out[at++] = BACKSLASH
        out[at++] = octet
      } else {
        out[at++] = BACKSLASH
        out[at++] = ZERO + ((octet / 100) | 0)
        out[at++] = ZERO + (((octet / 10) | 0) % 10)
        out[at++] = ZERO + (octet % 10)
      }
    }
    out[at++] = DOT
    next = name[i++]!
    if (next === 0) return at
  }
}

/** An address of 4 or 16 octets; IPv6 in brackets and as RFC 5952 writes it. */
export function putAddress(out: Uint8Array, from: number, address: Uint8Array, family: number): number {
  let at = from
  if (family !== 6) {
    at = putDecimal(out, at, address[0]!)
    for (let i = 1; i < 4; i++) {
      out[at++] = DOT
      at = putDecimal(out, at, address[i]!)
    }
    return at
  }
  out[at++] = 0x5b
  // The first of the longest runs of zero groups, of at least two, becomes `::`.
  let runFrom = -1
  let runLength = 1
  for (let i = 0; i < 8; ) {
    let end = i
    while (end < 8 && (address[2 * end]! | address[2 * end + 1]!) === 0) end++
    if (end - i > runLength) {
      runFrom = i
      runLength = end - i
    }
    i = end + 1
  }
  for (let i = 0; i < 8; i++) {
    if (i === runFrom) {
      out[at++] = COLON
      out[at++] = COLON
      i += runLength - 1
      continue
    }
    if (i > 0 && i !== runFrom + runLength) out[at++] = COLON
    at = putHex(out, at, (address[2 * i]! << 8) | address[2 * i + 1]!)
  }
  out[at++] = 0x5d
  return at
}

function putHex(out: Uint8Array, from: number, value: number): number {
  let at = from
  for (let shift = value > 0xfff ? 12 : value > 0xff ? 8 : value > 0xf ? 4 : 0; shift >= 0; shift -= 4) {
    const digit = (value >>> shift) & 15
    out[at++] = digit < 10 ? ZERO + digit : 0x61 + digit - 10
  }
  return at
}

/**
 * Seconds with up to nine decimals, trailing zeros left out, then `s`: `0.000412s`. Takes the object that holds them: a
 * fraction handed to a function would become an object of its own.
 */
export function putSeconds(out: Uint8Array, from: number, { seconds }: { readonly seconds: number }): number {
  let whole = Math.floor(seconds)
  let nanos = Math.round((seconds - whole) * 1e9)
  if (nanos >= 1e9) {
    whole++
    nanos = 0
  }
  let at = putDecimal(out, from, whole)
  if (nanos > 0) {
    out[at++] = DOT
    for (let unit = 1e8; nanos > 0; unit /= 10) {
      const digit = (nanos / unit) | 0
      out[at++] = ZERO + digit
      nanos -= digit * unit
    }
  }
  out[at++] = 0x73
  return at
}
