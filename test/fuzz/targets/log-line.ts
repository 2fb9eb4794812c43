import assert from 'node:assert/strict'
import type { Client, Outcome } from '../../../src/chain/plugin.ts'
import { COMBINED_FORMAT, LineFormat } from '../../../src/plugins/log/format.ts'
import { ACCEPT, ParsedQuery } from '../../../src/wire/parsed-query.ts'
import { joined } from '../mutate.ts'
import { type FuzzTarget, Guarded, octets, ofHex, textOf } from '../target.ts'
import { QUERIES } from './queries.ts'
import { REPLIES } from './replies.ts'

const parsed = new ParsedQuery()
/** Octets of control: the format's size, the query's, the client's family and transport, the RCODE, the time. */
const CONTROL = 6

const input = (format: string, query: Uint8Array, reply: Uint8Array): Uint8Array =>
  joined(Uint8Array.of(format.length, query.length >>> 8, query.length, 3, 0, 10), octets(format), query, reply)

export const logLine: FuzzTarget = {
  name: 'log-line',
  invariant:
    'a log line of any format, for any query and reply, takes at most what its format announces, and no line break',
  corpus: [
    ...QUERIES.map((query) => input(COMBINED_FORMAT, query, REPLIES[0]!)),
    ...REPLIES.map((reply) => input('{remote} {local} {rsize} {>rflags} {duration}', QUERIES[0]!, reply)),
    input('{/a/b} { {type} } {name}{name}{class}', QUERIES[0]!, new Uint8Array(0)),
  ],
  words: [
    ...['{', '}', '{name}', '{rsize}', '{duration}', '{remote}', '{/x}', '{>id}'].map(octets),
    ofHex('c00c'),
    ofHex('00'),
  ],
  run(bytes) {
    if (bytes.length < CONTROL) return false
    const formatEnd = CONTROL + bytes[0]!
    const queryEnd = formatEnd + ((bytes[1]! << 8) | bytes[2]!)
    const query = bytes.slice(formatEnd, queryEnd)
    const reply = bytes.slice(queryEnd)
    if (parsed.parse(query, 0, query.length) !== ACCEPT) return false
    const family = (bytes[3]! & 1) !== 0 ? 4 : 6
    const address = Uint8Array.from({ length: 16 }, (_, i) => bytes[i % bytes.length]!)
    const client: Client = { family, address, port: 65_535, listenerId: bytes[3]! & 2, tcp: (bytes[3]! & 4) !== 0 }
    const length = reply.length >= 12 ? reply.length : 0
    const outcome: Outcome = {
      blockId: 0,
      rcode: bytes[4]! - 1,
      reply,
      start: 0,
      length,
      seconds: bytes[5]! ** 3 / 1e4,
      fromCache: false,
      fromStore: false,
    }
    const format = new LineFormat(textOf(bytes.subarray(CONTROL, formatEnd)), [])
    const out = new Guarded(format.sizeMax)
    const end = format.write(out.bytes, out.at, parsed, client, outcome)
    out.check()
    assert.ok(end >= out.at && end <= out.end, `${end - out.at} octets of ${format.sizeMax}`)
    if (!bytes.subarray(CONTROL, formatEnd).includes(10)) assert.ok(!out.bytes.subarray(out.at, end).includes(10))
    return true
  },
}
