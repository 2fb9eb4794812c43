/**
 * What kind of reply a message is: success, denial or error, as CoreDNS's `log` and others sort replies. Works on wire
 * bytes; neither allocates nor throws.
 */

export const CLASS_SUCCESS = 1
export const CLASS_DENIAL = 2
export const CLASS_ERROR = 3

const TYPE_SOA = 6
const TYPE_RRSIG = 46
const QTYPE_IXFR = 251
const QTYPE_AXFR = 252
const OPCODE_NOTIFY = 4

/**
 * Class of the reply `message[start .. start+length)`; `questionEnd` as in `ParsedQuery`. With `signaturesCount` (the
 * reply's OPT has DO) a signature outside its validity makes the reply an error: `nowSeconds` is Unix time.
 */
export function replyClass(
  message: Uint8Array,
  start: number,
  length: number,
  questionEnd: number,
  rcode: number,
  signaturesCount: boolean,
  nowSeconds: number,
): number {
  if (length < 12) return CLASS_ERROR
  if (((message[start + 2]! >>> 3) & 15) === OPCODE_NOTIFY) return CLASS_ERROR
  if (questionEnd >= 16 && questionEnd <= length) {
    const qtype = (message[start + questionEnd - 4]! << 8) | message[start + questionEnd - 3]!
    if (qtype === QTYPE_AXFR || qtype === QTYPE_IXFR) return CLASS_ERROR
  }
  const ancount = (message[start + 6]! << 8) | message[start + 7]!
  const nscount = (message[start + 8]! << 8) | message[start + 9]!
  if (ancount === 0 || signaturesCount) {
    const found = scan(message, start, length, questionEnd, signaturesCount ? nowSeconds : -1)
    if ((found & HAS_INVALID_SIGNATURE) !== 0) return CLASS_ERROR
    if (ancount === 0) {
      if (rcode === 0) return nscount > 0 && (found & HAS_SOA) !== 0 ? CLASS_DENIAL : CLASS_SUCCESS
      return rcode === 3 ? CLASS_DENIAL : CLASS_ERROR
    }
  }
  return rcode === 0 ? CLASS_SUCCESS : CLASS_ERROR
}

const HAS_SOA = 1
const HAS_INVALID_SIGNATURE = 2

/** Bits HAS_*: of the authority section (SOA) and of all sections (signatures, when `nowSeconds` is not negative). */
function scan(message: Uint8Array, start: number, length: number, from: number, nowSeconds: number): number {
  const ancount = (message[start + 6]! << 8) | message[start + 7]!
  const nscount = (message[start + 8]! << 8) | message[start + 9]!
  const arcount = (message[start + 10]! << 8) | message[start + 11]!
  let found = 0
  let at = from
  for (let i = 0; i < ancount + nscount + arcount; i++) {
    at = skipName(message, start, length, at)
    if (at < 0 || at + 10 > length) return found
    const type = (message[start + at]! << 8) | message[start + at + 1]!
    const size = (message[start + at + 8]! << 8) | message[start + at + 9]!
    at += 10
    if (at + size > length) return found
    if (type === TYPE_SOA && i >= ancount && i < ancount + nscount) found |= HAS_SOA
    if (nowSeconds >= 0 && type === TYPE_RRSIG && size >= 18 && !isValidNow(message, start + at, nowSeconds)) {
      found |= HAS_INVALID_SIGNATURE
    }
    at += size
  }
  return found
}

/** RFC 4034 section 3.1.5: times are serial numbers modulo 2^32 (RFC 1982). */
function isValidNow(message: Uint8Array, rdataAt: number, nowSeconds: number): boolean {
  const now = nowSeconds | 0
  return ((readInt32(message, rdataAt + 8) - now) | 0) >= 0 && ((now - readInt32(message, rdataAt + 12)) | 0) >= 0
}

function readInt32(message: Uint8Array, at: number): number {
  return (message[at]! << 24) | (message[at + 1]! << 16) | (message[at + 2]! << 8) | message[at + 3]!
}

function skipName(message: Uint8Array, start: number, length: number, at: number): number {
  for (;;) {
    if (at >= length) return -1
    const octet = message[start + at]!
    if (octet >= 0xc0) return at + 2
    if (octet > 63) return -1
    at += octet + 1
    if (octet === 0) return at
  }
}
