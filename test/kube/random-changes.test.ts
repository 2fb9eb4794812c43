/** Objects come, change and go at random; in the end the names are those of a fresh look at the cluster. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { printedSeed, type SeededRandom, seededRandom } from '../support/seeded-random.ts'
import { until } from '../support/until.ts'
import type { KubeObject } from './api-server.ts'
import { type Cluster, isReal, type OpenPlugin, openCluster, ZONES } from './cluster.ts'
import { namespace, pod, service, slice } from './objects.ts'
import { TroubleProxy } from './trouble-proxy.ts'
import { zoneText } from './zone-text.ts'

const NAMESPACES = ['random-a', 'random-b', 'random-c']
const OPTIONS = 'pods verified\nendpoint_pod_names\nzonal\nignore empty_service'

function randomObject(random: SeededRandom): KubeObject {
  const path = `${random.pick(NAMESPACES)}/r${random.below(8)}`
  const host = (): string => `10.244.${random.below(3)}.${1 + random.below(20)}`
  switch (random.below(4)) {
    case 0: {
      const kind = random.below(4)
      if (kind === 0) return service(path, { externalName: random.pick(['www.example.org', 'web.example.']) })
      if (kind === 1)
        return service(path, { ips: ['None'], ports: random.pick([['a/TCP:1'], ['a/TCP:1', 'b/UDP:2'], []]) })
      const ip = `10.96.${9 + NAMESPACES.indexOf(path.split('/')[0]!)}.${1 + Number(path.slice(-1))}`
      return service(path, { ips: [ip], ports: random.pick([['a/TCP:1'], ['a/TCP:1', 'b/UDP:2']]) })
    }
    case 1:
      return pod(path, [host()])
    default: {
      const endpoints = Array.from({ length: random.below(5) }, () => ({
        address: host(),
        ...(random.oneIn(2) ? {} : { hostname: `h${random.below(3)}` }),
        ...(random.oneIn(2) ? {} : { pod: `r${random.below(8)}` }),
        ...(random.oneIn(3) ? { zone: random.pick(['north', 'south', 'far.north']) } : {}),
        ...(random.oneIn(4) ? { ready: false } : {}),
      }))
      // The API takes each address once in a slice.
      const distinct = [...new Map(endpoints.map((each) => [each.address, each])).values()]
      const target = `r${random.below(8)}`
      return slice(`${path}-${random.below(2)}`, { service: target, endpoints: distinct, ports: ['a/TCP:1'] })
    }
  }
}

async function changeAtRandom(
  cluster: Cluster,
  random: SeededRandom,
  steps: number,
  each?: (step: number) => Promise<void>,
  known: Map<string, KubeObject> = new Map(),
) {
  for (let step = 0; step < steps; step++) {
    await each?.(step)
    const object = randomObject(random)
    const key = `${object['kind']} ${object.metadata.namespace}/${object.metadata.name}`
    const before = known.get(key)
    if (before !== undefined && random.oneIn(3)) {
      await cluster.remove(before)
      known.delete(key)
      continue
    }
    // The API lets no service change between kinds of addresses in place, and no slice its family.
    if (before !== undefined && object['kind'] !== 'Pod') await cluster.remove(before)
    await cluster.put(object)
    known.set(key, object)
    if (random.oneIn(40)) {
      const name = random.pick(NAMESPACES)
      await cluster.remove(namespace(name))
      await cluster.put(namespace(name))
    }
  }
}

async function assertFresh(cluster: Cluster, plugin: OpenPlugin): Promise<void> {
  const fresh = await cluster.open(OPTIONS)
  const text = ({ chain }: OpenPlugin): string[] =>
    zoneText(
      chain.store,
      chain.sourceId,
      ZONES.map((zone) => `${zone}.`),
    )
  const wanted = text(fresh)
  assert.ok(wanted.length > 10, 'there is something to compare')
  let got: string[] = []
  try {
    await until('the names are those of a fresh look', () => {
      got = text(plugin)
      return got.join('\n') === wanted.join('\n')
    })
  } catch {
    assert.deepEqual(got, wanted)
  }
  await fresh.close()
}

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
