/**
 * A soak of random changes against a real API server with trouble in between: connections cut, also in mid-object, 429 and 5xx, stalls, slow octets, compactions
 * (410), minutes away, and restarts with an older state. All the while a service that stays is asked for: it must always be there. In the end the
 * names are those of a fresh list.
 *
 *   KUBE_SOAK_MINUTES=10 KUBE_SOAK_AWAY_SECONDS=300 bin/node --test test/kube/real/soak.ts
 */
import assert from 'node:assert/strict'
import test from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { printedSeed, seededRandom } from '../../support/seeded-random.ts'
import type { KubeObject } from '../api-server.ts'
import { namespace, service, slice } from '../objects.ts'
import { ControlServer } from './control.ts'
import { findPrograms } from './programs.ts'
import { RealApi } from './real-api.ts'

const MINUTES = Number(process.env['KUBE_SOAK_MINUTES'] ?? 10)
const AWAY_SECONDS = Number(process.env['KUBE_SOAK_AWAY_SECONDS'] ?? 300)
/** Changes between two troubles. */
const STEPS = 40
const ASK_MS = 20
const FRESH_MS_MAX = 60_000
const STAYS = 'stays.soak-calm.svc.cluster.local'

const programs = findPrograms()

test(`${MINUTES} minutes of changes and trouble`, { skip: typeof programs === 'string' && programs }, async (t) => {
  if (typeof programs === 'string') return
  const random = seededRandom(printedSeed())
  // What was opened last is closed first.
  await using opened = new AsyncDisposableStack()
  const api = await RealApi.start(programs)
  opened.defer(() => api.stop())
  const control = await ControlServer.start(api)
  opened.defer(() => control.stop())
  Object.assign(process.env, control.environment)
  // They look at the environment when they are loaded.
  const { openCluster } = await import('../cluster.ts')
  const { assertFresh, changeAtRandom, NAMESPACES, OPTIONS } = await import('../random-cluster.ts')
  const { TroubleProxy } = await import('../trouble-proxy.ts')

  const cluster = await openCluster()
  opened.defer(() => cluster.close())
  const proxy = await TroubleProxy.start(cluster.url, cluster.account)
  await cluster.put(
    ...NAMESPACES.map((name) => namespace(name)),
    namespace('soak-calm'),
    service('soak-calm/stays', { ips: ['10.96.8.1'], ports: ['x/TCP:1'] }),
    slice('soak-calm/stays-a', { service: 'stays', endpoints: ['10.244.9.1'], ports: ['x/TCP:1'] }),
  )
  let saved: unknown = await cluster.save()
  const plugin = await cluster.open(OPTIONS, { through: proxy.url, options: { auditMs: 60_000 } })
  const denied: string[] = []
  let asked = 0
  let isOver = false
  const asking = (async () => {
    while (!isOver) {
      const reply = await plugin.ask(STAYS)
      asked++
      if (!reply.startsWith('0 aa; answer:')) denied.push(`${new Date().toISOString()} ${reply}`)
      await delay(ASK_MS)
    }
  })()

  let known = new Map<string, KubeObject>()
  const counts: Record<string, number> = {}
  const troubles: readonly [name: string, weight: number, make: () => Promise<void>][] = [
    ['cut', 6, async () => proxy.cut()],
    [
      'cut in an object',
      4,
      async () => {
        proxy.cutAfter = 1 + random.below(3000)
        proxy.cut()
      },
    ],
    [
      '429',
      3,
      async () => {
        proxy.respond(1 + random.below(8), 429, { 'retry-after': String(random.below(3)) })
        proxy.cut()
      },
    ],
    [
      '5xx',
      3,
      async () => {
        proxy.respond(1 + random.below(8), random.pick([500, 502, 503, 504]))
        proxy.cut()
      },
    ],
    [
      'stall',
      2,
      async () => {
        proxy.isStalled = true
      },
    ],
    [
      'slow octets',
      2,
      async () => {
        proxy.isSlow = true
        proxy.cut()
      },
    ],
    [
      'compaction while away',
      3,
      async () => {
        await proxy.goAway()
        await changeAtRandom(cluster, random, 10, undefined, known)
        await cluster.compact()
        await proxy.comeBack()
      },
    ],
    [
      'older state',
      1,
      async () => {
        await proxy.goAway()
        await cluster.restore(saved)
        known = new Map()
        await proxy.comeBack()
      },
    ],
    [
      'newer state to go back to',
      1,
      async () => {
        saved = await cluster.save()
        // What is there then is not what is known then.
        await cluster.remove(...known.values())
        known = new Map()
        saved = await cluster.save()
      },
    ],
  ]
  const bag = troubles.flatMap(([name, weight, make]) => Array.from({ length: weight }, () => ({ name, make })))

  const end = performance.now() + MINUTES * 60_000
  const awayAt = performance.now() + MINUTES * 15_000
  let wasAway = AWAY_SECONDS === 0
  while (performance.now() < end) {
    const { name, make } = random.pick(bag)
    counts[name] = (counts[name] ?? 0) + 1
    await make()
    await changeAtRandom(cluster, random, STEPS, undefined, known)
    proxy.cutAfter = Number.POSITIVE_INFINITY
    proxy.isSlow = false
    proxy.respond(0, 0)
    proxy.goOn()
    if (!wasAway && performance.now() > awayAt) {
      wasAway = true
      await proxy.goAway()
      const until = performance.now() + AWAY_SECONDS * 1000
      while (performance.now() < until) {
        await changeAtRandom(cluster, random, 5, undefined, known)
        await delay(1000)
      }
      await cluster.compact()
      await proxy.comeBack()
    }
    if (random.oneIn(5)) await assertFresh(cluster, plugin, FRESH_MS_MAX)
  }
  await assertFresh(cluster, plugin, FRESH_MS_MAX)
  isOver = true
  await asking
  const lists = plugin.part.source.lists.map(({ resource, counts: each }) => `${resource.name} ${JSON.stringify(each)}`)
  t.diagnostic(JSON.stringify({ asked, denied: denied.length, troubles: counts }))
  t.diagnostic(lists.join('\n'))
  assert.deepEqual(denied, [])
})
