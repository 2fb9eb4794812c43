/** The front with a real pool behind it, and with the test in the place of sockets and of the primary. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { after } from 'node:test'
import { Registry } from 'prom-client'
import type { Client } from '../../src/chain/plugin.ts'
import { loadServerConfig } from '../../src/corefile/load-server-config.ts'
import { NO_SOURCE_IDS, type SourceIds } from '../../src/corefile/source-ids.ts'
import { findPlugins } from '../../src/plugins/plugin-cfg.ts'
import type { Engine } from '../../src/worker/engine.ts'
import { engineCreator } from '../../src/worker/front.ts'
import { CHAIN_SECONDS_MAX } from '../../src/worker/hand-off.ts'
import { startThreads } from '../../src/worker/pool-threads.ts'
import { NO_REPLY, REPLY_LATER, RETURN_PATH_SIZE, type ReplyPort } from '../../src/worker/query-handler.ts'
import { ZoneStore } from '../../src/zone/zone-store.ts'
import { OCTETS_PER_CALL_NONE, octetsPerCall } from '../support/allocations.ts'
import { composeTestQuery } from '../support/dns-client.ts'
import { type Asked, openFakeUpstream } from '../support/fake-upstream.ts'
import { aClient } from '../support/front.ts'
import { Random, SEED } from '../support/random.ts'
import { replaceZone } from '../support/store-zones.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/until.ts'

/** Does what the first label says; everything else it passes on. */
const ODD_PLUGIN = `
import { setTimeout as sleep } from 'node:timers/promises'
import { Reply } from '${new URL('../../src/chain/reply.ts', import.meta.url).href}'
let calls = 0
export const plugin = {
  name: 'odd',
  parse: () => null,
  handle: () => async (query, next) => {
    const [word] = query.qnameLower.split('.')
    if (word.startsWith('throw')) throw new Error('thrown by odd')
    if (word.startsWith('drop')) return Reply.drop()
    if (word.startsWith('die')) { setImmediate(() => { throw new Error('the thread dies') }); await sleep(1000) }
    if (word.startsWith('never')) await new Promise(() => {})
    if (word.startsWith('slow')) await sleep(50)
    if (word.startsWith('client')) query.client()
    const reply = await next(query)
    if (word.startsWith('count')) reply.options.push({ code: 65001, data: Uint8Array.of(++calls) })
    return reply
  },
}
`

const folder = temporaryFolder()
writeFileSync(join(folder, 'odd.ts'), ODD_PLUGIN)
writeFileSync(join(folder, 'plugin.cfg'), 'odd:./odd.ts\nfile:file\n')
writeFileSync(join(folder, 'zone'), '')
const { plugins } = findPlugins(folder)

const ZONE = [
  'example. SOA ns.example. host.example. 1 3600 600 86400 300',
  'example. NS ns.example.',
  'www.example. A 192.0.2.1',
  'out.example. CNAME www.other.',
  '*.wild.example. TXT "x"',
]

/** The way back: keeps what would have been sent. */
class Port implements ReplyPort {
  readonly replies: Uint8Array[] = []
  forgotten = 0
  saveReturnPath(out: Uint8Array, at: number): void {
    out.fill(7, at, at + RETURN_PATH_SIZE)
  }
  sendLater(path: Uint8Array, at: number, bytes: Uint8Array, start: number, length: number): void {
    assert.equal(path[at], 7)
    this.replies.push(bytes.slice(start, start + length))
  }
  forget(): void {
    this.forgotten++
  }
  flushLater(): void {}
}

interface Bench {
  readonly engine: Engine
  readonly store: ZoneStore
  readonly registry: Registry
  readonly reports: unknown[]
  readonly port: Port
  /** The reply, from the event loop or the pool. */
  ask(name: string, about?: AskOptions): Promise<Uint8Array>
  /** As the transport does it; the reply when it is ready at once. */
  handle(name: string, about?: AskOptions): Uint8Array | number
  /** The value of one series. */
  metric(name: string, labels?: Record<string, string>): Promise<number>
  /** A second engine that takes over. */
  successor(corefile: string): Promise<Bench>
}

interface AskOptions {
  readonly qtype?: number
  readonly client?: Client
  readonly id?: number
  readonly dnssecOk?: boolean
}

const open: Engine[] = []
after(async () => {
  await Promise.all(open.map((engine) => engine.close(0)))
})

async function openBench(
  corefile: string,
  about: {
    readonly before?: {
      readonly engine: Engine
      readonly store: ZoneStore
      readonly registry: Registry
      readonly sources: SourceIds
    }
    readonly generation?: number
    /** Its threads are set to work. */
    readonly opened?: boolean
  } = {},
): Promise<Bench> {
  const { before, generation = 1, opened = true } = about
  const text = { file: 'Corefile', text: corefile, folder }
  const loaded = await loadServerConfig({
    corefile: text,
    plugins,
    workingFolder: folder,
    environment: {},
    generation,
    previousSources: before?.sources ?? NO_SOURCE_IDS,
  })
  assert.deepEqual(loaded.errors, [])
  const { sources } = loaded
  const config = loaded.config!
  const store = before?.store ?? ZoneStore.create({ bytesMax: 1 << 26 })
  const registry = before?.registry ?? new Registry()
  const reports: unknown[] = []
  const file = config.blocks.flatMap((block) => block.plugins).find(({ name }) => name === 'file')
  if (before === undefined && file !== undefined) {
    await replaceZone(store, 'example.', ZONE, { sourceId: file.sourceId })
  }
  const engine = await engineCreator(startThreads)({
    config,
    store,
    registry,
    threads: 1,
    ffi: true,
    onReport: (_, data) => reports.push(data),
    previous: before?.engine,
  })
  open.push(engine)
  if (opened) await engine.open()
  const port = new Port()
  const out = new Uint8Array(65535)
  const client = aClient()
  const handle: Bench['handle'] = (name, about = {}) => {
    const query = composeTestQuery(name, about.qtype ?? 1, { udpSize: 1232, ...about })
    if (about.id !== undefined) query[1] = about.id
    const length = engine.handle(query, 0, query.length, about.client ?? client, port, out, 0, 65535)
    return length > 0 ? out.slice(0, length) : length
  }
  return {
    engine,
    store,
    registry,
    reports,
    port,
    handle,
    async ask(name, about) {
      const seen = port.replies.length
      const reply = handle(name, about)
      engine.flush()
      if (typeof reply !== 'number') return reply
      assert.equal(reply, REPLY_LATER)
      await until(`a reply for ${name}`, () => port.replies.length > seen)
      return port.replies[seen]!
    },
    async metric(name, labels = {}) {
      const found = (await registry.getSingleMetric(name)?.get())?.values ?? []
      const wanted = Object.entries(labels)
      return found
        .filter(({ labels: each }) => wanted.every(([key, value]) => (each as Record<string, unknown>)[key] === value))
        .reduce((total, { value }) => total + value, 0)
    },
    successor: (next) => openBench(next, { before: { engine, store, registry, sources }, generation: generation + 1 }),
  }
}

/** What a fake upstream says: one A record. */
function answerWithAddress(asked: Asked): void {
  const reply = Buffer.concat([asked.message.subarray(0, 12), asked.message.subarray(12)])
  reply[2] = 0x81
  reply[3] = 0x80
  const question = asked.message.subarray(12, asked.message.indexOf(0, 12) + 5)
  const record = Buffer.from('c00c000100010000012c0004c0000205', 'hex')
  const head = Buffer.from(reply.subarray(0, 12))
  head.writeUInt16BE(1, 6)
  head.writeUInt16BE(0, 10)
  asked.send(Buffer.concat([head, question, record]))
}

const rcodeOf = (reply: Uint8Array): number => reply[3]! & 15
const answersOf = (reply: Uint8Array): number => (reply[6]! << 8) | reply[7]!

const LOCAL = 'example {\n  file zone\n}\n'

test('a zone is answered on the event loop: positive, negative, wildcard', async () => {
  const bench = await openBench(LOCAL)
  for (const [name, qtype, rcode, answers] of [
    ['www.example.', 1, 0, 1],
    ['www.example.', 28, 0, 0],
    ['no.example.', 1, 3, 0],
    ['a.b.wild.example.', 16, 0, 1],
  ] as const) {
    const reply = bench.handle(name, { qtype })
    assert.ok(typeof reply !== 'number', `${name} went to the pool`)
    assert.deepEqual([rcodeOf(reply), answersOf(reply)], [rcode, answers], name)
  }
  assert.equal(await bench.metric('shoal_front_queries_total', { way: 'store' }), 4)
})

test('no block, no class: REFUSED, counted as dropped', async () => {
  const bench = await openBench(LOCAL)
  const reply = bench.handle('www.else.')
  assert.ok(typeof reply !== 'number')
  assert.equal(rcodeOf(reply), 5)
  assert.equal(await bench.metric('coredns_dns_requests_total', { zone: 'dropped' }), 1)
})

test('neither the record store nor the cache allocates', async () => {
  const bench = await openBench(
    `example {\n  errors\n  prometheus 127.0.0.1:0\n  cache\n  loadbalance\n  odd\n  file zone\n}`,
  )
  const plain = await openBench(`example {\n  errors\n  prometheus 127.0.0.1:0\n  cache\n  loadbalance\n  file zone\n}`)
  const out = new Uint8Array(65535)
  const client = aClient()
  const query = composeTestQuery('www.example.', 1, { udpSize: 1232 })
  let calls = 0
  const call =
    ({ engine, port }: Bench) =>
    (): void => {
      assert.ok(engine.handle(query, 0, query.length, client, port, out, 0, 65535) > 0)
      // The clock is read once per batch, and its number takes 16 octets.
      if ((++calls & 31) === 0) engine.flush()
    }
  const fromStore = octetsPerCall(call(plain), 50_000)
  assert.ok(fromStore < OCTETS_PER_CALL_NONE, `record store: ${fromStore} octets per query`)
  await bench.ask('www.example.')
  const fromCache = octetsPerCall(call(bench), 50_000)
  assert.ok(fromCache < OCTETS_PER_CALL_NONE, `cache: ${fromCache} octets per query`)
  assert.ok((await bench.metric('shoal_front_queries_total', { way: 'cache' })) > 50_000)
})

/** Its chain never answers, which takes seconds to be seen: the tests from here on run meanwhile, the last one looks. */
let unanswered: Bench

test('a chain that never answers keeps its client waiting', async () => {
  unanswered = await openBench('example {\n  odd\n  file zone\n}')
  assert.equal(unanswered.handle('never.example.'), REPLY_LATER)
  unanswered.engine.flush()
  assert.equal(await unanswered.metric('shoal_pool_in_flight'), 1)
  assert.deepEqual(unanswered.port.replies, [])
})

test('what a plugin keeps from the store comes from the pool once, then from the cache, until the zone changes', async () => {
  const bench = await openBench('example {\n  odd\n  file zone\n}')
  const cold = await bench.ask('WWW.example.', { id: 9 })
  assert.equal(answersOf(cold), 1)
  const warm = bench.handle('WWW.example.', { id: 9 })
  assert.ok(typeof warm !== 'number')
  assert.deepEqual(warm, cold)
  const file = 1 + 1
  await replaceZone(bench.store, 'example.', [...ZONE, 'www.example. A 192.0.2.2'], { sourceId: file })
  assert.equal(answersOf(await bench.ask('www.example.')), 2)
})

test('a reply made for one client is nobody else’s', async () => {
  const bench = await openBench('example {\n  odd\n  file zone\n}')
  assert.equal(rcodeOf(await bench.ask('client.example.')), 3)
  assert.equal(bench.handle('client.example.'), REPLY_LATER)
})

test('before its threads are opened the store answers, and what needs them waits', async () => {
  const bench = await openBench('example {\n  file zone\n}\nother {\n  odd\n  whoami\n}', { opened: false })
  assert.equal(bench.handle('slow1.other.'), REPLY_LATER)
  bench.engine.flush()
  assert.equal(rcodeOf(await bench.ask('www.example.')), 0)
  assert.equal(bench.port.replies.length, 0)
  await bench.engine.open()
  await until('the one that waited is answered', () => bench.port.replies.length === 1)
})

test('equal queries in flight are asked once and each is answered with its own ID', async () => {
  const bench = await openBench('example {\n  odd\n  file zone\n}')
  for (let id = 1; id <= 50; id++) assert.equal(bench.handle('slow1.example.', { id }), REPLY_LATER)
  bench.engine.flush()
  await until('all are answered', () => bench.port.replies.length === 50)
  assert.deepEqual(
    bench.port.replies.map((reply) => reply[1]).sort((a, b) => a! - b!),
    Array.from({ length: 50 }, (_, i) => i + 1),
  )
  assert.equal(await bench.metric('shoal_pool_dispatched_total'), 1)
  assert.equal(await bench.metric('shoal_pool_joined_total'), 49)
  assert.equal(await bench.metric('shoal_pool_in_flight'), 0)
})

test('a plugin that throws gives SERVFAIL with an Extended DNS Error; one that drops gives nothing', async () => {
  const bench = await openBench('example {\n  odd\n  file zone\n}')
  const reply = await bench.ask('throw.example.')
  assert.equal(rcodeOf(reply), 2)
  assert.ok(Buffer.from(reply).includes(Buffer.from('000f00020000', 'hex')), 'EDE 0')
  assert.equal(bench.handle('drop.example.'), REPLY_LATER)
  bench.engine.flush()
  await until('it is forgotten', () => bench.port.forgotten === 1)
})

test('a thread that dies: its queries get SERVFAIL, another one goes on', async () => {
  const bench = await openBench('example {\n  odd\n  file zone\n}')
  assert.equal(rcodeOf(await bench.ask('die.example.')), 2)
  assert.equal(rcodeOf(await bench.ask('slow2.example.')), 3)
  assert.equal(await bench.metric('shoal_pool_thread_deaths_total'), 1)
})

test('a full pool: SERVFAIL at once, and hits go on', async () => {
  const bench = await openBench('example {\n  odd\n  file zone\n}')
  await bench.ask('www.example.')
  let refused = 0
  for (let i = 0; i < 20_000; i++) if (typeof bench.handle(`slow${i}.example.`) !== 'number') refused++
  assert.equal(refused, 20_000 - 16_384)
  assert.equal(await bench.metric('shoal_pool_shed_total'), refused)
  const hit = bench.handle('www.example.')
  assert.ok(typeof hit !== 'number')
  assert.equal(rcodeOf(hit), 0)
  bench.engine.flush()
  await until('the pool is empty again', () => bench.port.replies.length >= 16_384, 20_000)
  assert.equal(rcodeOf(await bench.ask('slow.example.')), 3)
})

test('held: the pool’s replies wait, and what was made from old records is made anew', async () => {
  const bench = await openBench('example {\n  odd\n  file zone\n}')
  const seen = bench.port.replies.length
  assert.equal(bench.handle('slow.example.'), REPLY_LATER)
  bench.engine.flush()
  bench.engine.hold()
  await new Promise((resolve) => setTimeout(resolve, 150))
  assert.equal(bench.port.replies.length, seen)
  await replaceZone(bench.store, 'example.', [...ZONE, 'slow.example. A 192.0.2.9'], { sourceId: 2 })
  bench.engine.release()
  await until('the reply', () => bench.port.replies.length > seen)
  assert.equal(answersOf(bench.port.replies[seen]!), 1)
  assert.equal(await bench.metric('shoal_pool_repeated_total'), 1)
})

test('forwarded replies are cached, age, and go on over a reload that leaves their block as it is', async () => {
  const upstream = await openFakeUpstream(answerWithAddress)
  const block = `. {\n  forward . 127.0.0.1:${upstream.port}\n  cache\n}\n`
  const first = await openBench(block)
  assert.equal(answersOf(await first.ask('far.test.')), 1)
  const asked = upstream.asked.length
  const hit = first.handle('far.test.')
  assert.ok(typeof hit !== 'number')
  assert.equal(answersOf(hit), 1)
  const second = await first.successor(`${block}else {\n  whoami\n}\n`)
  await first.engine.close(0)
  const again = second.handle('far.test.')
  assert.ok(typeof again !== 'number', 'the cache was not taken over')
  assert.equal(upstream.asked.length, asked)
  assert.equal(await second.metric('coredns_cache_hits_total', { type: 'success' }), 2)
  assert.equal(await second.metric('coredns_cache_entries', { type: 'success' }), 1)
  const third = await second.successor(block.replace('cache', 'cache 60'))
  await second.engine.close(0)
  assert.equal(third.handle('far.test.'), REPLY_LATER)
  assert.equal(await third.metric('coredns_cache_hits_total', { type: 'success' }), 2, 'counters never go back')
})

test('a cache is made when its block is first asked, by a client or by the look-up of another block', async () => {
  const upstream = await openFakeUpstream(answerWithAddress)
  const bench = await openBench(
    `example {\n  file zone\n  cache\n}\nother {\n  forward . 127.0.0.1:${upstream.port}\n  cache\n}\n`,
  )
  const reserved = (zones: string) => bench.metric('shoal_cache_bytes', { zones, state: 'reserved' })
  assert.equal(answersOf(await bench.ask('www.example.')), 1)
  assert.equal((await reserved('example.')) + (await reserved('other.')), 0)
  assert.equal(answersOf(await bench.ask('out.example.')), 2)
  assert.ok((await reserved('other.')) > 0)
  // What the look-up stored in its thread is there for the event loop.
  const hit = bench.handle('www.other.')
  assert.ok(typeof hit !== 'number')
  assert.equal(answersOf(hit), 1)
  assert.equal(upstream.asked.length, 1)
})

test('what a client sends that is no query: silence or a short error', async () => {
  const bench = await openBench(LOCAL)
  const out = new Uint8Array(65535)
  const put = (hex: string): number => {
    const bytes = Buffer.from(hex, 'hex')
    return bench.engine.handle(bytes, 0, bytes.length, aClient(), bench.port, out, 0, 65535)
  }
  assert.equal(put(''), NO_REPLY)
  assert.equal(put('0001'), NO_REPLY)
  assert.equal(put('00018000000100000000000000000100 01'.replaceAll(' ', '')), NO_REPLY)
  assert.equal(put('000100000000000000000000'), 12)
  assert.equal(out[3]! & 15, 1)
  assert.equal(put('000128000001000000000000'), 12)
  assert.equal(out[3]! & 15, 4)
  assert.equal(await bench.metric('shoal_front_queries_total', { way: 'malformed' }), 5)
})

test(`what is remembered is what look-up gives, over changes of the zone and all kinds of queries (SEED=${SEED})`, async () => {
  const bench = await openBench(LOCAL)
  const { engine: fresh } = await bench.successor(LOCAL)
  const sourceId = 1
  const random = new Random()
  const names = ['example', 'www.example', 'WWW.example', 'many.example', 'a.wild.example', 'no.example', 'sub.example']
  const client = { udp: aClient(), tcp: { ...aClient(), tcp: true } }
  const out = new Uint8Array(65535)
  const ask = (engine: Engine, query: Uint8Array, over: Client): Uint8Array | number => {
    const length = engine.handle(query, 0, query.length, over, bench.port, out, 0, 65535)
    return length > 0 ? out.slice(0, length) : length
  }
  for (let i = 0; i < 4000; i++) {
    if (random.below(100) === 0) {
      const many = Array.from({ length: random.below(60) }, (_, n) => `many.example. A 198.51.100.${n}`)
      const lines = [
        ZONE[0]!.replace(' 1 ', ` ${i + 2} `),
        ...ZONE.slice(1),
        `www.example. A 192.0.2.${i & 255}`,
        ...many,
      ]
      await replaceZone(bench.store, 'example.', lines, { sourceId })
    }
    const udpSize = random.of([undefined, 512, 700, 1232, 4096])
    const query = composeTestQuery(random.of(names), random.of([1, 6, 16, 28, 255]), {
      id: random.below(65536),
      flags: random.of([0, 0x0100, 0x0130]),
      dnssecOk: random.below(4) === 0,
      ...(udpSize === undefined ? {} : { udpSize }),
    })
    const over = random.of([client.udp, client.tcp])
    // Octets behind the message mean nothing, but with them no query is like another.
    const unlike = Uint8Array.from([...query, i >> 8, i, 1])
    assert.deepEqual(ask(bench.engine, query, over), ask(fresh, unlike, over), Buffer.from(query).toString('hex'))
  }
})

test(`a chain that never answers: SERVFAIL after ${CHAIN_SECONDS_MAX} s, and the slot stays the thread’s`, async () => {
  const { port, metric } = unanswered
  await until('it is given up', () => port.replies.length > 0, (CHAIN_SECONDS_MAX + 3) * 1000)
  assert.equal(rcodeOf(port.replies[0]!), 2)
  assert.equal(await metric('shoal_pool_abandoned_total'), 1)
  assert.equal(await metric('shoal_pool_in_flight'), 1)
})
