/** The message an upstream gets for a client's query. */
import { HEADER_SIZE, type ParsedQuery, TYPE_OPT } from '../../../wire/parsed-query.ts'
import { FRAME_SIZE } from './exchange.ts'

/** OPT without options: root, type, size, extended RCODE, version, flags, rdata length. RFC 6891 section 6.1.2. */
const OPT_SIZE = 11
const OPTION_HEADER_SIZE = 4

/** Opcode, RD, AD and CD go on as received; TC, Z and the rest are not a query's. */
const FLAGS_MASK = 0x7800 | 0x0100 | 0x0020 | 0x0010

/**
 * Options about the hop from the client to us: COOKIE (RFC 7873 section 5.2), edns-tcp-keepalive (RFC 7828) and
 * Padding (RFC 7830). To hand them to another server would be wrong.
 */
function isHopOption(code: number): boolean {
  return code === 10 || code === 11 || code === 12
}

/** Whether the query has EDNS options that go to the upstream, so that the answer may depend on them. Doesn't allocate. */
export function forwardsOptions({ bytes, start, optionsAt, optionsLength }: ParsedQuery): boolean {
  const end = start + optionsAt + optionsLength
  for (let at = start + optionsAt; at < end; at += optionSize(bytes, at)) {
    if (!isHopOption((bytes[at]! << 8) | bytes[at + 1]!)) return true
  }
  return false
}

/**
 * A frame (length, then the message) with ID 0. It is built from what was parsed; only a query with further records (a
 * TSIG, or the SOA of IXFR) goes out octet by octet, since a signature covers them all.
 */
export function composeUpstream(parsed: ParsedQuery): Uint8Array {
  const { bytes, start, length, questionEnd, hasEdns, optionsAt, optionsLength } = parsed
  if (parsed.hasExtraRecords) {
    const frame = Buffer.allocUnsafe(FRAME_SIZE + length)
    frame.set(bytes.subarray(start, start + length), FRAME_SIZE)
    putLength(frame, length)
    return frame
  }
  // Buffer's pool makes this cheap; the frame is filled completely before it is used.
  const frame = Buffer.allocUnsafe(FRAME_SIZE + questionEnd + (hasEdns ? OPT_SIZE + optionsLength : 0))
  let at = FRAME_SIZE
  const flags = parsed.flags & FLAGS_MASK
  frame[at] = 0
  frame[at + 1] = 0
  frame[at + 2] = flags >>> 8
  frame[at + 3] = flags
  frame[at + 4] = 0
  frame[at + 5] = 1
  for (let i = 6; i < HEADER_SIZE - 1; i++) frame[at + i] = 0
  frame[at + 11] = hasEdns ? 1 : 0
  for (let i = HEADER_SIZE; i < questionEnd; i++) frame[at + i] = bytes[start + i]!
  at += questionEnd
  if (hasEdns) {
    frame[at] = 0
    frame[at + 1] = 0
    frame[at + 2] = TYPE_OPT
    frame[at + 3] = parsed.udpSize >>> 8
    frame[at + 4] = parsed.udpSize
    frame[at + 5] = 0
    frame[at + 6] = 0
    frame[at + 7] = parsed.dnssecOk ? 0x80 : 0
    frame[at + 8] = 0
    const optionsFrom = at + OPT_SIZE
    let to = optionsFrom
    const end = start + optionsAt + optionsLength
    for (let from = start + optionsAt; from < end; ) {
      const size = optionSize(bytes, from)
      if (!isHopOption((bytes[from]! << 8) | bytes[from + 1]!)) {
        for (let i = 0; i < size; i++) frame[to + i] = bytes[from + i]!
        to += size
      }
      from += size
    }
    frame[at + 9] = (to - optionsFrom) >>> 8
    frame[at + 10] = to - optionsFrom
    at = to
  }
  putLength(frame, at - FRAME_SIZE)
  return at === frame.length ? frame : frame.subarray(0, at)
}

/** A health probe's query: `qname` in wire form, type NS, class IN. */
export function composeProbe(qname: Uint8Array, recursionDesired: boolean): Uint8Array {
  const length = HEADER_SIZE + qname.length + 4
  const frame = Buffer.alloc(FRAME_SIZE + length)
  putLength(frame, length)
  frame[FRAME_SIZE + 2] = recursionDesired ? 1 : 0
  frame[FRAME_SIZE + 5] = 1
  frame.set(qname, FRAME_SIZE + HEADER_SIZE)
  frame[frame.length - 3] = 2
  frame[frame.length - 1] = 1
  return frame
}

/** The option's octets, header included; `ParsedQuery.parse` has checked that it lies inside the OPT. */
function optionSize(bytes: Uint8Array, at: number): number {
  return OPTION_HEADER_SIZE + ((bytes[at + 2]! << 8) | bytes[at + 3]!)
}

function putLength(frame: Uint8Array, length: number): void {
  frame[0] = length >>> 8
  frame[1] = length
}
