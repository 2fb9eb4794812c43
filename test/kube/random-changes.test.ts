/** Objects come, change and go at random; in the end the names are those of a fresh look at the cluster. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { printedSeed, seededRandom } from '../support/seeded-random.ts'
import type { KubeObject } from './api-server.ts'
import { isReal, openCluster } from './cluster.ts'
import { namespace, service, slice } from './objects.ts'
import { assertFresh, changeAtRandom, NAMESPACES, OPTIONS } from './random-cluster.ts'
import { TroubleProxy } from './trouble-proxy.ts'

for (const { title, jsonOnly } of [
  { title: 'changes at random end in the state of a fresh list', jsonOnly: false },
  { title: 'changes at random end in the state of a fresh list: an API that has only JSON', jsonOnly: true },
]) {
  test(title, { skip: isReal && jsonOnly && 'a real API has both' }, () => endsFresh(jsonOnly))
}

async function endsFresh(jsonOnly: boolean): Promise<void> {
  const random = seededRandom(printedSeed())
  const cluster = await openCluster({ jsonOnly })
  await cluster.put(...NAMESPACES.map((name) => namespace(name)))
  const plugin = await cluster.open(OPTIONS)
  const known = new Map<string, KubeObject>()
  for (let round = 0; round < 3; round++) {
    await changeAtRandom(cluster, random, 150, undefined, known)
    await assertFresh(cluster, plugin)
  }
  await cluster.close()
}

test('with trouble on the way too, and a service that stays is never denied', async () => {
  const random = seededRandom(printedSeed())
  const cluster = await openCluster()
  const proxy = await TroubleProxy.start(cluster.url, cluster.account)
  await cluster.put(
    ...NAMESPACES.map((name) => namespace(name)),
    namespace('random-calm'),
    service('random-calm/stays', { ips: ['10.96.8.1'], ports: ['x/TCP:1'] }),
    slice('random-calm/stays-a', { service: 'stays', endpoints: ['10.244.9.1'], ports: ['x/TCP:1'] }),
  )
  const plugin = await cluster.open(OPTIONS, { through: proxy.url })
  const denied: string[] = []
  await changeAtRandom(cluster, random, 300, async (step) => {
    if (random.oneIn(10)) proxy.cut()
    if (random.oneIn(30)) proxy.respond(3, random.pick([429, 500, 503]), { 'retry-after': '0' })
    if (random.oneIn(40)) await cluster.compact()
    proxy.cutAfter = random.oneIn(20) ? 1 + random.below(2000) : Number.POSITIVE_INFINITY
    const reply = random.oneIn(3) ? await plugin.ask('stays.random-calm.svc.cluster.local') : '0 aa; answer:'
    if (!reply.startsWith('0 aa; answer:')) denied.push(`${step}: ${reply}`)
  })
  proxy.cutAfter = Number.POSITIVE_INFINITY
  assert.deepEqual(denied, [])
  await assertFresh(cluster, plugin)
  await cluster.close()
  await proxy.stop()
})
