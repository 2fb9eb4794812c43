/** Objects that come, change and go at random, and a look whether the names are those of a fresh list. */
import assert from 'node:assert/strict'
import type { SeededRandom } from '../support/seeded-random.ts'
import { until } from '../support/until.ts'
import type { KubeObject } from './api-server.ts'
import { type Cluster, type OpenPlugin, ZONES } from './cluster.ts'
import { namespace, pod, service, slice } from './objects.ts'
import { zoneText } from './zone-text.ts'

/** Where they happen. */
export const NAMESPACES: readonly string[] = ['random-a', 'random-b', 'random-c']
/** Of the plugin: all that makes names. */
export const OPTIONS = 'pods verified\nendpoint_pod_names\nzonal\nignore empty_service'

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

/** `each` is called before every change. `known`: what is there of it, by kind and name. */
export async function changeAtRandom(
  cluster: Cluster,
  random: SeededRandom,
  steps: number,
  each?: (step: number) => Promise<void>,
  known: Map<string, KubeObject> = new Map(),
): Promise<void> {
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

/** The plugin's names become those of one that is started now. */
export async function assertFresh(cluster: Cluster, plugin: OpenPlugin, milliseconds?: number): Promise<void> {
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
    await until(
      'the names are those of a fresh look',
      () => {
        got = text(plugin)
        return got.join('\n') === wanted.join('\n')
      },
      milliseconds,
    )
  } catch {
    assert.deepEqual(got, wanted)
  }
  await fresh.close()
}
