/** One list and watch by itself: what it asks for, and what it makes of trouble. Runs on the API in memory and on a real one. */
import assert from 'node:assert/strict'
import test, { after } from 'node:test'
import { endpointAccess } from '../../src/sources/kubernetes/api/api-access.ts'
import { ApiClient } from '../../src/sources/kubernetes/api/api-client.ts'
import { BackOff } from '../../src/sources/kubernetes/api/back-off.ts'
import {
  ListWatch,
  type ListWatchTiming,
  type ObjectSink,
  TIMING_DEFAULT,
} from '../../src/sources/kubernetes/api/list-watch.ts'
import { aLog } from '../support/front.ts'
import { until } from '../support/until.ts'
import type { KubeObject } from './api-server.ts'
import { type Cluster, isReal, openCluster } from './cluster.ts'
import { namespace, service } from './objects.ts'
import { TroubleProxy } from './trouble-proxy.ts'

/** Names of what it was given, and how often it was listed. */
class NameSink implements ObjectSink {
  drained?: () => Promise<void>
  names = new Set<string>()
  lists = 0
  puts = 0
  #listed: Set<string> | undefined

  beginList(): void {
    this.#listed = new Set()
  }

  put(object: unknown): void {
    const { name } = (object as KubeObject).metadata
    this.puts++
    this.names.add(name)
    this.#listed?.add(name)
  }

  remove(object: unknown): void {
    this.names.delete((object as KubeObject).metadata.name)
  }

  endList(): void {
    this.names = this.#listed!
    this.#listed = undefined
    this.lists++
  }

  get sorted(): string[] {
    return [...this.names].sort()
  }
}

interface Opened {
  readonly cluster: Cluster
  readonly proxy: TroubleProxy
  readonly sink: NameSink
  readonly watch: ListWatch
  readonly log: ReturnType<typeof aLog>
  close(): Promise<void>
}

const opened: Opened[] = []
after(async () => {
  for (const each of opened) await each.close()
})
const QUICK: ListWatchTiming = { ...TIMING_DEFAULT, backOff: { firstMs: 10, msMax: 50 } }
/** What only the API in memory can be made to do. */
const MEMORY_ONLY = { skip: isReal && 'needs the API in memory' }
/** One per test: what one leaves behind is none of the next one's. */
let namespaceName = ''
let opens = 0
const named = (i: number) => service(`${namespaceName}/s${String(i).padStart(2, '0')}`, { ports: ['x/TCP:1'] })
const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `s${String(i).padStart(2, '0')}`)

/** `count` services are there. The proxy has the account of a real API. */
async function open(count: number, timing: Partial<ListWatchTiming> = {}, skipStart = false): Promise<Opened> {
  namespaceName = `list-watch-${opens++}`
  const cluster = await openCluster({ bookmarkMs: 100 })
  const proxy = await TroubleProxy.start(cluster.url, cluster.account)
  await cluster.put(namespace(namespaceName), ...names(count).map((_, i) => named(i)))
  const log = aLog()
  const sink = new NameSink()
  const client = new ApiClient({ access: endpointAccess(proxy.url) })
  const watch = new ListWatch({
    client,
    resource: { name: 'services', path: `/api/v1/namespaces/${namespaceName}/services` },
    sink,
    log,
    timing: { ...QUICK, ...timing },
  })
  if (!skipStart) {
    watch.start()
    await until('the first list is whole', () => watch.isSynced && watch.staleMs === 0)
  }
  let isOpen = true
  const all: Opened = {
    cluster,
    proxy,
    sink,
    watch,
    log,
    close: async () => {
      if (!isOpen) return
      isOpen = false
      await watch.stop()
      client.close()
      await proxy.stop()
      await cluster.close()
    },
  }
  opened.push(all)
  return all
}

const listsIn = ({ proxy }: Opened): string[] =>
  proxy.requests.map(({ url }) => url).filter((url) => !url.includes('watch=true'))

test('a list comes in pages', async () => {
  const all = await open(12, { pageCount: 5 })
  assert.deepEqual(all.sink.sorted, names(12))
  const lists = listsIn(all)
  assert.equal(lists.length, 3)
  assert.ok(lists.every((url) => url.includes('limit=5')))
  assert.deepEqual(
    lists.map((url) => url.includes('continue=')),
    [false, true, true],
  )
  await all.close()
})

test('a page whose snapshot is gone: all is listed again, in one go', async () => {
  const all = await open(12, { pageCount: 5 }, true)
  // The second page comes too late.
  let isCompacted = false
  all.sink.drained = async () => {
    if (isCompacted) return
    isCompacted = true
    await all.cluster.put(namespace(namespaceName, { touched: 'yes' }))
    await all.cluster.compact()
  }
  all.watch.start()
  await until('the list is whole', () => all.watch.isSynced)
  assert.deepEqual(all.sink.sorted, names(12))
  assert.ok(!listsIn(all).at(-1)!.includes('limit='))
  await all.close()
})

test('a watch that was cut goes on where it was', async () => {
  const all = await open(2)
  for (let i = 2; i < 6; i++) {
    all.proxy.cut()
    await all.cluster.put(named(i))
    await until('the new one is known', () => all.sink.names.has(`s0${i}`))
  }
  assert.equal(all.sink.lists, 1)
  await all.close()
})

test('cut in the middle of an object', async () => {
  const all = await open(2)
  all.proxy.cutAfter = 40
  all.proxy.cut()
  await all.cluster.put(named(2))
  await until('tries failed', () => all.watch.counts.failures > 2)
  all.proxy.cutAfter = Number.POSITIVE_INFINITY
  await until('the new one is known', () => all.sink.names.has('s02'))
  assert.deepEqual(all.sink.sorted, names(3))
  await all.close()
})

test('410: listed anew, and what is known stays until then', async () => {
  const all = await open(3)
  all.proxy.respond(1000, 503)
  all.proxy.cut()
  await all.cluster.remove(named(0))
  await all.cluster.put(named(3))
  await all.cluster.compact()
  await until('it is trying', () => all.watch.counts.failures > 2)
  assert.deepEqual(all.sink.sorted, names(3))
  all.proxy.respond(0, 0)
  await until('the list is there', () => all.sink.lists === 2)
  assert.deepEqual(all.sink.sorted, ['s01', 's02', 's03'])
  await all.close()
})

test('429: comes again when it was told to', async () => {
  const all = await open(1)
  all.proxy.respond(1, 429, { 'retry-after': '1' })
  const from = all.proxy.requests.length
  all.proxy.cut()
  await until('two more tries', () => all.proxy.requests.length >= from + 2)
  const [first, second] = all.proxy.requests.slice(from)
  assert.ok(second!.atMs - first!.atMs >= 990, `${second!.atMs - first!.atMs} ms`)
  await all.close()
})

test('a stalled watch is given up and started again', async () => {
  const all = await open(1, { silenceMsMax: 400 })
  all.proxy.isStalled = true
  await all.cluster.put(named(1))
  await until('the silence was noticed', () => all.log.lines.some((line) => line.includes('silence')))
  all.proxy.goOn()
  await until('the new one is known', () => all.sink.names.has('s01'))
  assert.equal(all.sink.lists, 1)
  await all.close()
})

test('bookmarks keep a quiet watch alive', MEMORY_ONLY, async () => {
  const all = await open(1, { silenceMsMax: 600 })
  const { events, watches } = all.watch.counts
  // A real API sends one a minute, and silence is longer there.
  await until('twice the silence is over', () => all.watch.counts.events >= events + 12)
  assert.equal(all.watch.counts.watches, watches)
  await all.close()
})

test('slow octets', async () => {
  const all = await open(0, {}, true)
  all.proxy.isSlow = true
  all.watch.start()
  await until('synced', () => all.watch.isSynced)
  await all.cluster.put(named(0), named(1))
  await until('both are known', () => all.sink.names.size === 2)
  await all.close()
})

test('a server with an older state: all is listed anew', async () => {
  const all = await open(2)
  const saved = await all.cluster.save()
  await all.cluster.put(named(2), named(3), named(4))
  await until('all are known', () => all.sink.names.size === 5, 20_000)
  await all.cluster.restore(saved)
  await until('the older state is known', () => all.sink.names.size === 2, 20_000)
  await all.cluster.put(named(7))
  await until('what comes now is known', () => all.sink.names.has('s07'))
  await all.close()
})

test('the API away and back', async () => {
  const all = await open(2)
  await all.proxy.goAway()
  await until('it is trying', () => all.watch.counts.failures > 3)
  assert.ok(all.watch.staleMs > 0)
  assert.deepEqual(all.sink.sorted, names(2))
  // One line for one trouble, however often it is tried.
  assert.ok(all.log.lines.filter((line) => line.includes('ECONNREFUSED')).length <= 2)
  await all.cluster.put(named(2))
  await all.proxy.comeBack()
  await until('the new one is known', () => all.sink.names.has('s02'))
  await until('not stale', () => all.watch.staleMs === 0)
  assert.equal(all.sink.lists, 1)
  await all.close()
})

test('back-off grows, is never the same twice, and obeys Retry-After within reason', () => {
  const backOff = new BackOff({ firstMs: 100, msMax: 1000 }, () => 1)
  assert.deepEqual(
    [1, 2, 3, 4, 5].map(() => backOff.failed()),
    [100, 200, 400, 800, 1000],
  )
  backOff.succeeded()
  assert.equal(backOff.failed(5000), 5025)
  assert.equal(backOff.failed(10_000_000), 120_050)
  assert.equal(new BackOff({ firstMs: 100, msMax: 1000 }, () => 0).failed(), 50)
})
