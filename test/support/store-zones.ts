/** Puts zones into a record store and asks it, in presentation format. */

import { printRdata } from '../../src/rdata/rdata.ts'
import { scanRecord } from '../../src/rdata/record-text.ts'
import { typeName, typeNumber } from '../../src/rdata/rr-types.ts'
import { nameToText, textToName } from '../../src/wire/name.ts'
import { ACCEPT, ParsedQuery } from '../../src/wire/parsed-query.ts'
import { ReplyWriter } from '../../src/wire/reply-writer.ts'
import type { ZoneForm } from '../../src/zone/zone-change.ts'
import { ZonePublishing } from '../../src/zone/zone-publisher.ts'
import { NO_ZONE, type ZoneStore } from '../../src/zone/zone-store.ts'
import { type DecodedRecord, decodeReply } from './decode-reply.ts'

export interface RRsetText {
  readonly owner: Uint8Array
  readonly type: number
  readonly ttlSeconds: number
  readonly rdatas: Uint8Array[]
}

/** Records as text, gathered into RRsets. Relative owners are completed with `origin`. */
export function rrsetsOf(lines: readonly string[], origin: string): RRsetText[] {
  const rrsets = new Map<string, RRsetText>()
  for (const line of lines) {
    const record = scanRecord(line, { origin: textToName(origin), ttlSeconds: 300 })
    const key = `${Buffer.from(record.owner).toString('hex')}/${record.type}`
    const known = rrsets.get(key)
    if (known === undefined) rrsets.set(key, { ...record, rdatas: [record.rdata] })
    else known.rdatas.push(record.rdata)
  }
  return [...rrsets.values()]
}

/** Replaces the zone by these records. */
export async function replaceZone(
  store: ZoneStore,
  apex: string,
  lines: readonly string[],
  about: { readonly sourceId?: number; readonly form?: ZoneForm; readonly minimal?: boolean } = {},
): Promise<void> {
  const publisher = new ZonePublishing({ store, send: () => undefined }).forSource(about.sourceId ?? 1)
  const transaction = publisher.zone(apex, about.form, about.minimal).replace()
  for (const { owner, type, ttlSeconds, rdatas } of rrsetsOf(lines, apex))
    transaction.put(owner, type, ttlSeconds, rdatas)
  await transaction.commit()
}

export function queryFor(
  qname: Uint8Array,
  qtype: number,
  about: { readonly dnssecOk?: boolean; readonly id?: number } = {},
  into = new ParsedQuery(),
): ParsedQuery {
  const opt = about.dnssecOk === true ? Buffer.from('00002904d0000080000000', 'hex') : Buffer.alloc(0)
  const head = Buffer.alloc(12)
  head.writeUInt16BE(about.id ?? 7, 0)
  head[5] = 1
  head[11] = opt.length > 0 ? 1 : 0
  const bytes = Buffer.concat([head, qname, Buffer.of(qtype >> 8, qtype & 255, 0, 1), opt])
  if (into.parse(bytes, 0, bytes.length) !== ACCEPT) throw new Error('the test asks what no server accepts')
  return into
}

export interface StoreAnswer {
  readonly outcome: number
  readonly rcode: number
  readonly aa: boolean
  readonly tc: boolean
  readonly answer: string[]
  readonly authority: string[]
  readonly additional: string[]
  readonly size: number
  readonly message: Uint8Array
}

const writer = new ReplyWriter()

/** Asks `name TYPE`. Undefined when no zone of the source holds the name. */
export function askStore(
  store: ZoneStore,
  question: string,
  about: { readonly sourceId?: number; readonly dnssecOk?: boolean; readonly size?: number } = {},
): StoreAnswer | undefined {
  const [name, type] = question.split(' ')
  const query = queryFor(textToName(name!), typeNumber(type!)!, about)
  const zone = store.findZone(about.sourceId ?? 1, query)
  if (zone === NO_ZONE) return undefined
  const out = new Uint8Array(65535)
  writer.begin(query, out, 0, about.size ?? 65535)
  const outcome = store.answer(zone, query, writer)
  const message = out.slice(0, writer.end())
  const { rcode, authoritative, truncated, sections } = decodeReply(message)
  const [answer, authority, additional] = sections.map((records) => records.map(printDecoded))
  return {
    outcome,
    rcode,
    aa: authoritative,
    tc: truncated,
    answer: answer!,
    authority: authority!,
    additional: additional!,
    size: message.length,
    message,
  }
}

/** `owner TTL TYPE rdata`. */
export function printDecoded({ owner, type, ttlSeconds, rdata }: DecodedRecord): string {
  const octets = Buffer.from(rdata, 'hex')
  return `${nameToText(Buffer.from(owner, 'latin1'), 0)} ${ttlSeconds} ${typeName(type)} ${printRdata(type, octets)}`
}
