/** The OPT record of a reply. RFC 6891 sections 6.1.2 and 6.1.3. */
import { copyOctets } from './copy-octets.ts'
import { TYPE_OPT } from './parsed-query.ts'

/** Octets of an OPT record without options: root owner, type, class, TTL and rdata length. */
export const OPT_SIZE = 11

/**
 * The largest reply over UDP, whatever the client takes: larger ones are fragmented on the way (DNS flag day 2020). It is
 * the payload size that OPT records show, over TCP too.
 */
export const UDP_REPLY_SIZE_MAX = 1232

/**
 * Writes an OPT record at `out[at]` and returns the offset past it. `udpSize` is the payload size announced; `rcode` has 12 bits, of
 * which the upper eight go here; `options[optionsAt .. optionsAt+optionsLength)` are options in wire form. The caller
 * has made sure that OPT_SIZE + optionsLength octets fit. Version 0; of the flags only DO is ever set, since RFC 6891
 * section 6.1.4 wants the others zero. Neither allocates nor throws.
 */
export function putOpt(
  out: Uint8Array,
  at: number,
  udpSize: number,
  rcode: number,
  dnssecOk: boolean,
  options: Uint8Array,
  optionsAt: number,
  optionsLength: number,
): number {
  out[at] = 0
  out[at + 1] = 0
  out[at + 2] = TYPE_OPT
  out[at + 3] = udpSize >>> 8
  out[at + 4] = udpSize
  out[at + 5] = rcode >>> 4
  out[at + 6] = 0
  out[at + 7] = dnssecOk ? 0x80 : 0
  out[at + 8] = 0
  out[at + 9] = optionsLength >>> 8
  out[at + 10] = optionsLength
  if (optionsLength > 0) copyOctets(options, optionsAt, out, at + OPT_SIZE, optionsLength)
  return at + OPT_SIZE + optionsLength
}
