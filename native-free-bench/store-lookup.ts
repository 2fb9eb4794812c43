/**
 * The record store by itself: nanoseconds per look-up with the answer composed, octets per name, load and replace times.
 *
 *   bin/node native-free-bench/store-lookup.ts [--names 1000,1000000] [--seconds 1]
 *
 * Names have two RRs (A and AAAA). "hot" asks one name again and again, "random" each in random order, "absent" random names that are not there,
 * "minimal" leaves the apex NS out of authority. A look-up is findZone, answer and the writer; parsing the query, which comes before, is
 * measured by itself and taken off.
 */
import { parseArgs } from 'node:util'
import { textToName } from '../src/wire/name.ts'
import { ParsedQuery } from '../src/wire/parsed-query.ts'
import { ReplyWriter } from '../src/wire/reply-writer.ts'
import { ZonePublishing } from '../src/zone/zone-publisher.ts'
import { ZoneStore } from '../src/zone/zone-store.ts'

const { values } = parseArgs({
  options: { names: { type: 'string', default: '1000,1000000' }, seconds: { type: 'string', default: '1' } },
})

/** Questions of one round. */
const QUERIES = 100_000

const SOA = Buffer.concat([textToName('ns1.example.'), textToName('hostmaster.example.'), Buffer.alloc(20, 1)])

async function load(count: number, minimal: boolean): Promise<ZoneStore> {
  const store = ZoneStore.create()
  const publisher = new ZonePublishing({ store, send: () => undefined }).forSource(1)
  const transaction = publisher.zone('example.', 'zone', minimal).replace()
  transaction.put(textToName('example.'), 6, 3600, [SOA])
  transaction.put(textToName('example.'), 2, 3600, [textToName('ns1.example.'), textToName('ns2.example.')])
  for (let i = 0; i < count; i++) {
    const owner = textToName(`host-${i}.example.`)
    transaction.put(owner, 1, 300, [Uint8Array.of(192, 0, 2, i)])
    const isMore = transaction.put(owner, 28, 300, [
      Uint8Array.of(0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, i >> 24, i >> 16, i >> 8, i),
    ])
    if (!isMore) await transaction.drained()
  }
  await transaction.commit()
  return store
}

/** Queries behind each other in one buffer, as a batch from the network. */
class Queries {
  readonly #bytes: Uint8Array
  readonly #starts: number[] = [0]

  constructor(questions: readonly (readonly [name: string, qtype: number])[]) {
    const parts: Buffer[] = []
    for (const [name, qtype] of questions) {
      const message = Buffer.concat([Buffer.alloc(12), textToName(name), Buffer.of(0, qtype, 0, 1)])
      message[5] = 1
      parts.push(message)
      this.#starts.push(this.#starts.at(-1)! + message.length)
    }
    this.#bytes = Buffer.concat(parts)
  }

  /** Nanoseconds per query, the best of several rounds. */
  measure(secondsMax: number, each: (query: ParsedQuery) => void): number {
    const query = new ParsedQuery()
    const count = this.#starts.length - 1
    let best = Number.POSITIVE_INFINITY
    for (const end = performance.now() + secondsMax * 1000; performance.now() < end; ) {
      const from = performance.now()
      for (let i = 0; i < count; i++) {
        query.parse(this.#bytes, this.#starts[i]!, this.#starts[i + 1]! - this.#starts[i]!)
        each(query)
      }
      best = Math.min(best, ((performance.now() - from) * 1e6) / count)
    }
    return best
  }
}

function measure(store: ZoneStore, questions: readonly (readonly [string, number])[], secondsMax: number): number {
  const writer = new ReplyWriter()
  const out = new Uint8Array(65536)
  const queries = new Queries(questions)
  let octets = 0
  const parse = queries.measure(secondsMax / 2, (query) => {
    octets += query.length
  })
  const all = queries.measure(secondsMax, (query) => {
    const zone = store.findZone(1, query)
    writer.begin(query, out, 0, 1232)
    store.answer(zone, query, writer)
    octets += writer.end()
  })
  if (octets === 0) throw new Error('nothing was answered')
  return all - parse
}

for (const minimal of [true, false]) {
  for (const count of values.names.split(',').map(Number)) {
    const from = performance.now()
    const store = await load(count, minimal)
    const loadMs = performance.now() - from
    const random = () => Math.floor(Math.random() * count)
    const kinds: [string, [string, number][]][] = [
      ['hot', new Array<[string, number]>(QUERIES).fill([`host-${random()}.example.`, 1])],
      ['random A', Array.from({ length: QUERIES }, () => [`host-${random()}.example.`, 1])],
      ['random AAAA', Array.from({ length: QUERIES }, () => [`host-${random()}.example.`, 28])],
      ['NODATA', Array.from({ length: QUERIES }, () => [`host-${random()}.example.`, 16])],
      ['absent', Array.from({ length: QUERIES }, () => [`none-${random()}.example.`, 1])],
    ]
    const { used, touched } = store.memory()
    console.log(
      `${count} names${minimal ? ', minimal' : ''}: loaded in ${loadMs.toFixed(0)} ms, ${(used / count).toFixed(0)} octets/name used, ${(touched / count).toFixed(0)} touched`,
    )
    for (const [kind, queries] of kinds) {
      console.log(`  ${kind.padEnd(12)} ${measure(store, queries, Number(values.seconds)).toFixed(0)} ns`)
    }
  }
}
