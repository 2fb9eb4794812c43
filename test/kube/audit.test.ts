/** Events that get lost: found by comparing with a fresh list, put right, counted. Runs on the API in memory and on a real one. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { type AuditedSink, ListAudit } from '../../src/sources/kubernetes/api/list-audit.ts'
import { ClusterModel } from '../../src/sources/kubernetes/model/cluster-model.ts'
import { printedSeed, seededRandom } from '../support/seeded-random.ts'
import { until } from '../support/until.ts'
import type { KubeObject } from './api-server.ts'
import { openCluster } from './cluster.ts'
import { namespace, pod, service, serviceImport, slice } from './objects.ts'
import { TroubleProxy } from './trouble-proxy.ts'

const NAMESPACE = 'audited'
const web = (name: string, last: number) =>
  service(`${NAMESPACE}/${name}`, { ips: [`10.96.11.${last}`], ports: ['http/TCP:80'] })
const webSlice = (name: string, last: number) =>
  slice(`${NAMESPACE}/${name}-a`, { service: name, endpoints: [`10.244.11.${last}`], ports: ['http/TCP:80'] })

test('lost events: put right by the next audit, and counted', async () => {
  const cluster = await openCluster({ bookmarkMs: 100 })
  const proxy = await TroubleProxy.start(cluster.url, cluster.account)
  let isDeaf = false
  proxy.loses = (event) => isDeaf && event.includes('"lost') && !event.includes('BOOKMARK')
  await cluster.put(
    namespace(NAMESPACE),
    web('lost-changed', 1),
    web('lost-gone', 2),
    web('heard', 3),
    webSlice('lost-changed', 1),
    webSlice('lost-gone', 2),
    pod(`${NAMESPACE}/lost-gone`, ['10.244.11.2']),
  )
  const plugin = await cluster.open('pods verified', { through: proxy.url, options: { auditMs: 1500 } })
  const name = (label: string) => `${label}.${NAMESPACE}.svc.cluster.local`
  await plugin.askUntil(name('lost-gone'), 'A', /10\.96\.11\.2/)
  isDeaf = true
  await cluster.remove(
    web('lost-changed', 1),
    web('lost-gone', 2),
    webSlice('lost-gone', 2),
    pod(`${NAMESPACE}/lost-gone`, []),
  )
  await cluster.put(
    web('lost-changed', 4),
    web('lost-new', 5),
    webSlice('lost-changed', 6),
    pod(`${NAMESPACE}/lost-new`, ['10.244.11.7']),
    web('heard', 3),
  )
  // What is heard goes on at once, and shows the watch that the list's version has passed.
  let version = 20
  const writes: Promise<unknown>[] = []
  const tick = setInterval(() => {
    writes.push(cluster.put(web(`heard-${version}`, version), webSlice(`heard-${version}`, version)))
    writes.push(cluster.put(pod(`${NAMESPACE}/heard-${version}`, [`10.244.11.${version}`])))
    version++
  }, 300)
  try {
    await plugin.askUntil(name('lost-changed'), 'A', /10\.96\.11\.4/, 20_000)
    await plugin.askUntil(name('lost-new'), 'A', /10\.96\.11\.5/, 20_000)
    await plugin.askUntil(name('lost-gone'), 'A', /^3 /, 20_000)
    await plugin.askUntil('6.11.244.10.in-addr.arpa', 'PTR', /10-244-11-6\.lost-changed/, 20_000)
    await plugin.askUntil('2.11.244.10.in-addr.arpa', 'PTR', /^3 /, 20_000)
    await plugin.askUntil(`10-244-11-7.${NAMESPACE}.pod.cluster.local`, 'A', /10\.244\.11\.7/, 20_000)
    await plugin.askUntil(`10-244-11-2.${NAMESPACE}.pod.cluster.local`, 'A', /^3 /, 20_000)
  } finally {
    clearInterval(tick)
    await Promise.all(writes)
  }
  const metrics = await plugin.chain.registry.metrics()
  const repairs = (resource: string): number =>
    Number(new RegExp(`audit_repairs_total\\{resource="${resource}"[^}]*\\} (\\d+)`).exec(metrics)?.[1])
  assert.deepEqual([repairs('services'), repairs('endpointslices'), repairs('pods')], [3, 2, 2])
  assert.ok(
    plugin.chain.log.lines.includes('WARNING services: 3 objects were not as the API server has them: repaired'),
  )
  // Nobody listed anew for that.
  for (const { counts, resource } of plugin.part.source.lists) assert.equal(counts.lists, 1, resource.name)
  await cluster.close()
  await proxy.stop()
})

test('nothing lost, many changes: an audit finds nothing', async () => {
  const cluster = await openCluster({ bookmarkMs: 100 })
  await cluster.put(namespace(NAMESPACE))
  const plugin = await cluster.open('pods verified', { options: { auditMs: 100 } })
  const random = seededRandom(printedSeed())
  for (let step = 0; step < 150; step++) {
    const i = random.below(8)
    const object = random.pick([
      web(`w${i}`, 1 + i),
      webSlice(`w${i}`, random.below(200)),
      pod(`${NAMESPACE}/w${i}`, [`10.244.11.${i}`]),
    ])
    if (random.oneIn(3)) await cluster.remove(object)
    else await cluster.put(object)
  }
  await until('all were audited', () => plugin.part.source.lists.every(({ counts }) => counts.audits > 0), 20_000)
  for (const { counts, resource } of plugin.part.source.lists) assert.equal(counts.repairs, 0, resource.name)
  await cluster.close()
})

test('more is wrong than could be lost events: all is listed anew', async () => {
  const cluster = await openCluster({ bookmarkMs: 100 })
  if (cluster.memory === undefined) return cluster.close()
  const proxy = await TroubleProxy.start(cluster.url)
  let isDeaf = true
  proxy.loses = (event) => isDeaf && event.includes('"w')
  const plugin = await cluster.open('', { through: proxy.url, options: { auditMs: 1000 } })
  cluster.memory.change(namespace(NAMESPACE))
  for (let i = 0; i < 1100; i++)
    cluster.memory.change(service(`${NAMESPACE}/w${i}`, { ips: [`10.97.${i >> 8}.${i & 255}`] }))
  await plugin.askUntil(`w1099.${NAMESPACE}.svc.cluster.local`, 'A', /10\.97\.4\.75/, 20_000)
  const services = plugin.part.source.lists.find(({ resource }) => resource.name === 'services')!
  assert.equal(services.counts.lists, 2)
  isDeaf = false
  await cluster.close()
  await proxy.stop()
})

// Every sink of the model keeps the contract of AuditedSink.
const model = () => new ClusterModel({ namespaces: [], sliceFields: { targets: true, zones: true } })
const sinks: readonly [string, (model: ClusterModel) => AuditedSink, readonly KubeObject[], KubeObject][] = [
  ['namespaces', (m) => m.namespaceSink(), [namespace('a'), namespace('b')], namespace('c')],
  ['services', (m) => m.serviceSink(), [web('a', 1), web('b', 2)], web('b', 3)],
  [
    'imports',
    (m) => m.serviceImportSink(),
    [serviceImport('x/a', ['10.0.0.1'], []), serviceImport('x/b', [], [])],
    serviceImport('x/b', ['10.0.0.2'], []),
  ],
  ['slices', (m) => m.sliceSink(), [webSlice('a', 1), webSlice('b', 2)], webSlice('b', 3)],
  [
    'pods',
    (m) => m.podSink(),
    [pod('x/a', ['10.0.0.1']), pod('x/b', ['10.0.0.2'])],
    pod('x/b', ['10.0.0.2'], { hostNetwork: true }),
  ],
]
for (const [title, open, objects, other] of sinks) {
  test(`what an audit makes of ${title}`, () => {
    const sink = open(model())
    const [first, second] = objects
    sink.beginList()
    for (const object of objects) sink.put(object)
    sink.endList()
    const same = new ListAudit(sink)
    for (const object of objects) same.compare(object)
    same.endList()
    assert.equal(same.suspectCount, 0)
    // One is missing in the list, one is other there: until the watch tells of it.
    const audit = new ListAudit(sink)
    audit.compare(other)
    audit.endList()
    const isNew = other.metadata.name !== second!.metadata.name
    assert.equal(audit.suspectCount, isNew ? 3 : 2)
    audit.told(first)
    assert.equal(audit.repair(), isNew ? 2 : 1)
    sink.beginAudit()
    assert.equal(sink.isKnown(other), true)
    assert.equal(sink.isKnown(first), true)
    assert.deepEqual([...sink.unlisted()], [])
    // Told of while the list was read: what the list has may be older.
    const busy = new ListAudit(sink)
    busy.told(other)
    busy.compare(second)
    busy.endList()
    assert.equal(busy.suspectCount, isNew ? 2 : 1)
  })
}
