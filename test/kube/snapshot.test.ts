/** `snapshot FILE`: the last state on disk, and a server that starts with it while the API is away. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { ClusterModel, type SavedObject } from '../../src/sources/kubernetes/model/cluster-model.ts'
import { readSnapshot, writeSnapshot } from '../../src/sources/kubernetes/snapshot-file.ts'
import { composeTestQuery, freePort, openUdpClient } from '../support/dns-client.ts'
import { printedSeed, seededRandom } from '../support/seeded-random.ts'
import { spawnServer, startServer } from '../support/server.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/until.ts'
import { openCluster } from './cluster.ts'
import { namespace, pod, service, slice } from './objects.ts'
import { TroubleProxy } from './trouble-proxy.ts'

const folder = temporaryFolder()
let files = 0
const newFile = (): string => join(folder, `snapshot-${files++}`)

const FIELDS = { targets: true, zones: true }
const modelOf = (objects: readonly SavedObject[]): ClusterModel => {
  const model = new ClusterModel({ namespaces: [], sliceFields: FIELDS })
  for (const object of objects) model.restore(object)
  return model
}
const OBJECTS: readonly SavedObject[] = [
  ['namespace', 'shop'],
  ['service', 'shop', 'web', '["cluster",["10.96.7.1"],[],"",[]]'],
  ['import', 'shop', 'far', '["cluster",["10.97.7.1"],[],"",[]]'],
  ['slice', 'shop', 'web-a', 'web', 0, '[[],"10.244.0.1",""]'],
  ['pod', 'shop', 'web-1', '10.244.0.1,fd00::1', 0],
  ['pod', 'shop', 'web-2', '10.0.0.1', 1],
]

test('what is written is read, and makes the same model', async () => {
  const file = newFile()
  await writeSnapshot(file, 'us', 1_700_000_000_000, modelOf(OBJECTS).saved())
  const read: SavedObject[] = []
  assert.equal(await readSnapshot(file, 'us', (object) => read.push(object)), 1_700_000_000_000)
  assert.deepEqual(read, OBJECTS)
  assert.deepEqual([...modelOf(read).saved()], OBJECTS)
  // Nobody else reads what only this account may see.
  assert.equal(statSync(file).mode & 0o777, 0o600)
  assert.equal(existsSync(`${file}.new`), false)
})

test("somebody else's", async () => {
  const file = newFile()
  await writeSnapshot(file, 'us', 1, OBJECTS)
  await assert.rejects(() => readSnapshot(file, 'them', () => {}), /another API server, or other options/)
  await assert.rejects(() => readSnapshot(newFile(), 'us', () => {}), { code: 'ENOENT' })
})

test('a damaged file: no object of it is used', async () => {
  const file = newFile()
  await writeSnapshot(file, 'us', 1, OBJECTS)
  const whole = readFileSync(file)
  const random = seededRandom(printedSeed())
  for (let round = 0; round < 200; round++) {
    const damaged = Buffer.from(whole)
    if (random.oneIn(2)) damaged[random.below(damaged.length)]! ^= 1 << random.below(8)
    const cut = random.oneIn(2) || damaged.equals(whole)
    writeFileSync(file, cut ? damaged.subarray(0, random.below(whole.length)) : damaged)
    await assert.rejects(() => readSnapshot(file, 'us', () => assert.fail('an object was used')))
  }
})

test('what the API has told already is not taken from the file', () => {
  const model = new ClusterModel({ namespaces: [], sliceFields: FIELDS })
  model.serviceSink().put(service('shop/web', { ips: ['10.96.7.9'], ports: ['http/TCP:80'] }))
  for (const object of OBJECTS) model.restore(object)
  const [, web] = [...model.saved()]
  assert.match(web![3] as string, /10\.96\.7\.9/)
})

test('a start without the API: what was known, marked as stale until the API is back', async () => {
  const file = newFile()
  const cluster = await openCluster()
  const proxy = await TroubleProxy.start(cluster.url, cluster.account)
  await cluster.put(
    namespace('snap'),
    service('snap/web', { ips: ['10.96.7.1'], ports: ['http/TCP:80'] }),
    service('snap/gone', { ips: ['10.96.7.2'], ports: ['http/TCP:80'] }),
    slice('snap/web-a', { service: 'web', endpoints: ['10.244.0.1'], ports: ['http/TCP:80'] }),
    pod('snap/web-1', ['10.244.0.1']),
  )
  const options = `pods verified\nsnapshot ${file}`
  // The API's address is part of what the file is for, so it has to be the proxy's here too.
  const first = await cluster.open(options, { through: proxy.url })
  await first.askUntil('web.snap.svc.cluster.local', 'A', /10\.96\.7\.1/)
  await first.close()
  assert.match(readFileSync(file, 'utf8'), /"service","snap","web"/)

  await proxy.goAway()
  await cluster.remove(service('snap/gone'))
  await cluster.put(service('snap/late', { ips: ['10.96.7.3'], ports: ['http/TCP:80'] }))
  const from = performance.now()
  const second = await cluster.open(options, { through: proxy.url })
  const ms = performance.now() - from
  assert.ok(ms < 1000, `served after ${ms} ms`)
  assert.equal(second.part.ready(), true)
  assert.ok(second.part.source.isStale)
  const staleEde = async (name: string): Promise<unknown[]> =>
    (await second.options(name)).map(({ code, data }) => [code, ...data])
  assert.match(await second.ask('web.snap.svc.cluster.local'), /10\.96\.7\.1/)
  assert.match(await second.ask('gone.snap.svc.cluster.local'), /10\.96\.7\.2/)
  assert.match(await second.ask('10-244-0-1.web.snap.svc.cluster.local'), /10\.244\.0\.1/)
  assert.match(await second.ask('10-244-0-1.snap.pod.cluster.local'), /10\.244\.0\.1/)
  assert.match(await second.ask('1.0.244.10.in-addr.arpa', 'PTR'), /10-244-0-1\.web\.snap/)
  assert.match(await second.ask('late.snap.svc.cluster.local'), /^3 /)
  for (const name of ['web.snap.svc.cluster.local', 'late.snap.svc.cluster.local', '1.0.244.10.in-addr.arpa']) {
    assert.deepEqual(await staleEde(name), [[15, 0, 3]], name)
  }
  const metrics = await second.chain.registry.metrics()
  assert.match(metrics, /shoal_kubernetes_synced\{host="[^"]+"\} 0/)
  assert.match(metrics, /shoal_kubernetes_stale_seconds\{host="[^"]+"\} \d*\.?\d*[1-9]/)
  assert.ok(
    second.chain.log.lines.some((line) => line.includes('the API server does not answer: names are those of 20')),
  )

  await proxy.comeBack()
  await second.askUntil('late.snap.svc.cluster.local', 'A', /10\.96\.7\.3/, 20_000)
  await second.askUntil('gone.snap.svc.cluster.local', 'A', /^3 /)
  await until(
    'nothing is from the file any more',
    async () => (await staleEde('web.snap.svc.cluster.local')).length === 0,
  )
  assert.equal(second.part.source.isStale, false)
  for (const name of ['web.snap.svc.cluster.local', 'gone.snap.svc.cluster.local', '1.0.244.10.in-addr.arpa']) {
    assert.deepEqual(await staleEde(name), [], name)
  }
  assert.match(await second.ask('_stale.cluster.local', 'TXT'), /^3 /)
  await second.close()
  await cluster.close()
})

test('an API that answers needs no snapshot', async () => {
  const file = newFile()
  writeFileSync(file, 'nothing')
  const cluster = await openCluster()
  await cluster.put(namespace('snap'), service('snap/web', { ips: ['10.96.7.1'], ports: ['http/TCP:80'] }))
  const { chain, part, ask, options, close } = await cluster.open(`snapshot ${file}`)
  assert.match(await ask('web.snap.svc.cluster.local'), /10\.96\.7\.1/)
  assert.deepEqual(await options('web.snap.svc.cluster.local'), [])
  assert.equal(part.source.isStale, false)
  assert.ok(!chain.log.lines.some((line) => line.includes('snapshot')))
  await close()
  assert.match(readFileSync(file, 'utf8'), /"service","snap","web"/)
  await cluster.close()
})

test('a snapshot of nothing: the start waits for the API as without', async () => {
  const port = await freePort()
  const cluster = await openCluster()
  const { chain, part, ask, close } = await cluster.open(`snapshot ${newFile()}\nstartup_timeout 300ms`, {
    through: `http://127.0.0.1:${port}`,
  })
  assert.equal(part.ready(), false)
  assert.equal(await ask('web.snap.svc.cluster.local'), 'unwritten 2')
  assert.ok(chain.log.lines.some((line) => line.includes('there is no snapshot')))
  await close()
  await cluster.close()
})

test('the whole server starts with the snapshot, in two processes', async (t) => {
  const file = newFile()
  const cluster = await openCluster()
  const proxy = await TroubleProxy.start(cluster.url, cluster.account)
  await cluster.put(namespace('snap'), service('snap/web', { ips: ['10.96.7.1'], ports: ['http/TCP:80'] }))
  const corefile = `.:PORT {
    kubernetes cluster.local {
        ${cluster.apiLines(proxy.url)}
        snapshot ${file}
    }
    cache 30
  }`
  const before = await startServer(corefile, { args: ['-processes', '2'] })
  t.after(() => before.stop())
  before.signal('SIGTERM')
  await before.ended()
  await before.stop()
  await proxy.goAway()
  const from = performance.now()
  const server = await spawnServer(corefile, { args: ['-processes', '2'] })
  t.after(() => server.stop())
  const client = openUdpClient(server.port)
  t.after(() => client.close())
  const edns = Buffer.from('0000290400000000000000', 'hex')
  const query = composeTestQuery('web.snap.svc.cluster.local', 1)
  const withEdns = Buffer.concat([query, edns])
  withEdns[11] = 1
  let reply: Uint8Array | undefined
  const has = (...octets: number[]): boolean => Buffer.from(reply!).includes(Buffer.from(octets))
  const ask = async (milliseconds?: number): Promise<boolean> => {
    reply = await client.ask(withEdns, milliseconds)
    return reply !== undefined
  }
  await until('it answers', () => ask(200), 20_000)
  const ms = performance.now() - from
  assert.equal(reply![3]! & 15, 0)
  assert.ok(has(10, 96, 7, 1), 'the address')
  assert.ok(has(0, 15, 0, 2, 0, 3), 'EDE 3')
  t.diagnostic(`first answer ${Math.round(ms)} ms after the process was started`)
  await proxy.comeBack()
  await until('the mark is gone', async () => (await ask()) && !has(0, 15, 0, 2, 0, 3), 20_000)
  assert.ok(has(10, 96, 7, 1))
  await cluster.close()
})
