/**
 * A thread that asks a record store while another one changes it. Every record of version v of the zone has v in its
 * rdata, so an answer made from two versions, or from memory used for something else, shows.
 *
 * workerData: region, the cell that stops it, and the qnames. Answers with how many it asked and what was wrong.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { ReplyWriter } from '../../src/wire/reply-writer.ts'
import { NO_ZONE, ZoneStore } from '../../src/zone/zone-store.ts'
import { decodeReply } from './decode-reply.ts'
import { queryFor } from './store-zones.ts'

export interface StoreReaderData {
  readonly region: SharedArrayBuffer
  /** Cell 0: 1 means stop. Cell 1: readers that have started. Cell 2: version committed last. */
  readonly cells: SharedArrayBuffer
  readonly questions: readonly { readonly qname: Uint8Array; readonly qtype: number; readonly dnssecOk: boolean }[]
}

export interface StoreReaderReport {
  readonly asked: number
  readonly versions: number
  readonly wrong: string[]
}

/** The version that a record carries: the last four octets of A, TXT, AAAA, MX names, SOA serials… */
export function versionOf(type: number, rdata: string): number | undefined {
  const octets = Buffer.from(rdata, 'hex')
  // A: the address. AAAA, TXT: the last four octets. SOA: the serial. Others don't carry one.
  if (type === 1 || type === 28 || type === 16) return octets.readUInt32BE(octets.length - 4)
  if (type === 6) return octets.readUInt32BE(octets.length - 20)
  return undefined
}

if (parentPort !== null && (workerData as StoreReaderData | null)?.cells !== undefined) {
  const { region, cells, questions } = workerData as StoreReaderData
  const store = ZoneStore.attach(region)
  const control = new Int32Array(cells)
  const queries = questions.map(({ qname, qtype, dnssecOk }) => queryFor(qname, qtype, { dnssecOk }))
  const writer = new ReplyWriter()
  const out = new Uint8Array(65535)
  const wrong: string[] = []
  const seen = new Set<number>()
  let asked = 0
  let last = 0
  Atomics.add(control, 1, 1)
  while (Atomics.load(control, 0) === 0 && wrong.length < 10) {
    const query = queries[asked % queries.length]!
    const committed = Atomics.load(control, 2)
    const zone = store.findZone(1, query)
    if (zone === NO_ZONE) {
      wrong.push('no zone')
      continue
    }
    writer.begin(query, out, 0, 65535)
    const outcome = store.answer(zone, query, writer)
    const length = writer.end()
    asked++
    if (outcome === 6) {
      wrong.push('unavailable')
      continue
    }
    // Decoding takes much longer than answering: not every reply is looked into, so that more are made.
    if (asked % 4 !== 0) continue
    try {
      const versions = new Set<number>()
      for (const records of decodeReply(out.slice(0, length)).sections) {
        for (const { type, rdata } of records) {
          const version = versionOf(type, rdata)
          if (version !== undefined) versions.add(version)
        }
      }
      if (versions.size !== 1) wrong.push(`one answer from versions ${[...versions].join(', ')}`)
      const [version] = versions
      if (version !== undefined) {
        if (version < last || version < committed)
          wrong.push(`version ${version} after ${last}, committed ${committed}`)
        last = version
        seen.add(version)
      }
    } catch (error) {
      wrong.push(String(error))
    }
  }
  const report: StoreReaderReport = { asked, versions: seen.size, wrong }
  parentPort.postMessage(report)
}
