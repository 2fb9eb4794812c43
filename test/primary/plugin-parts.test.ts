import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import type { Plugin, PrimaryContext, PrimaryPart, ServerControl } from '../../src/chain/plugin.ts'
import { CorefileError } from '../../src/corefile/corefile-error.ts'
import type { ServerConfig } from '../../src/corefile/server-config.ts'
import { PluginParts, prepareOptions } from '../../src/primary/plugin-parts.ts'
import { ZonePublishing } from '../../src/zone/zone-publisher.ts'
import type { ZoneStore } from '../../src/zone/zone-store.ts'
import { StubStore } from '../support/stub-engine.ts'

/** What a part of the test plugin does; its options. */
interface Behaviour {
  readonly id: string
  readonly failsAt?: 'create' | 'start' | 'stop' | 'drain' | 'report'
  readonly notReady?: boolean
  readonly tells?: unknown
  /** Publishes this zone. */
  readonly zone?: string
}

class Bench {
  readonly events: string[] = []
  readonly told: unknown[] = []
  /** By the part's id. */
  readonly contexts = new Map<string, PrimaryContext>()
  readonly store = new StubStore()
  readonly parts: PluginParts

  constructor() {
    const publishing = new ZonePublishing({ store: this.store as unknown as ZoneStore, send: () => {} })
    this.parts = new PluginParts({
      loadPlugin: async (name) => this.#plugin(name),
      publishing,
      registry: new Registry(),
      server: {} as ServerControl,
      tell: (sourceId, data) => this.told.push([sourceId, data]),
    })
  }

  async change(config: ServerConfig) {
    const change = await this.parts.change(config)
    const stopping = change.commit(true)
    return stopping
  }

  #plugin(name: string): Plugin {
    if (name === 'bare') return { name, parse: () => ({}) }
    return { name, parse: () => ({}), primary: (options, context) => this.#part(options as Behaviour, context) }
  }

  #part({ id, failsAt, notReady, tells, zone }: Behaviour, context: PrimaryContext): PrimaryPart {
    const step = (what: NonNullable<Behaviour['failsAt']>): void => {
      this.events.push(`${what} ${id}`)
      if (failsAt === what) throw new Error(`${what} failed`)
    }
    step('create')
    this.contexts.set(id, context)
    return {
      start: async () => {
        if (tells !== undefined) context.tell(tells)
        if (zone !== undefined) await context.publisher.zone(zone).unavailable()
        step('start')
      },
      stop: async () => step('stop'),
      drain: async () => step('drain'),
      ready: () => notReady !== true,
      reloaded: () => this.events.push(`reloaded ${id}`),
      onReport: () => step('report'),
    }
  }
}

/** One block; source ids from 1 unless a behaviour says `name#id`. */
function configOf(
  ...plugins: readonly (readonly [name: string, sourceId: number, options: Behaviour])[]
): ServerConfig {
  const block = {
    id: 0,
    at: { file: 'Corefile', line: 1, column: 1 },
    keys: [],
    zones: ['.'],
    root: '/',
    debug: false,
    plugins: plugins.map(([name, sourceId, options]) => ({ name, sourceId, options })),
  }
  return { generation: 1, hash: '', blocks: [block], listeners: [] }
}

test('parts start in chain order; a plugin without one is passed over', async () => {
  const bench = new Bench()
  await bench.change(configOf(['one', 1, { id: 'a' }], ['bare', 2, { id: '-' }], ['two', 3, { id: 'b' }]))
  assert.deepEqual(bench.events, ['create a', 'create b', 'start a', 'start b', 'reloaded a', 'reloaded b'])
})

test('over a reload equal parts go on, new ones start before the old ones stop', async () => {
  const bench = new Bench()
  await bench.change(configOf(['one', 1, { id: 'kept' }], ['two', 2, { id: 'old' }]))
  bench.events.length = 0
  const stopping = await bench.change(configOf(['one', 1, { id: 'kept' }], ['two', 3, { id: 'new' }]))
  assert.deepEqual(bench.events, ['create new', 'start new', 'reloaded kept', 'reloaded new'])
  assert.equal(await stopping.stop(), true)
  assert.equal(bench.events.at(-1), 'stop old')
})

for (const failsAt of ['create', 'start'] as const) {
  test(`a part that fails at ${failsAt}: the new ones are stopped, their records removed, the old ones go on`, async () => {
    const bench = new Bench()
    await bench.change(configOf(['one', 1, { id: 'kept', zone: 'kept.example.' }]))
    bench.events.length = 0
    const config = configOf(
      ['one', 1, { id: 'kept' }],
      ['two', 2, { id: 'fine', zone: 'new.example.' }],
      ['three', 3, { id: 'broken', failsAt }],
    )
    await assert.rejects(bench.parts.change(config), { message: `plugin/three: ${failsAt} failed` })
    assert.ok(bench.events.includes('stop fine') && !bench.events.includes('stop kept'))
    const removed = bench.store.applied.filter(({ kind }) => kind === 'remove')
    assert.deepEqual(removed, failsAt === 'create' ? [] : [{ kind: 'remove', sourceId: 2, apex: 'new.example.' }])
    assert.deepEqual(bench.parts.notReady(), [])
  })
}

test('records of a part that left are removed when asked for, not when it stops', async () => {
  const bench = new Bench()
  await bench.change(configOf(['one', 1, { id: 'a', zone: 'a.example.' }]))
  const stopping = await bench.change(configOf())
  await stopping.stop()
  assert.ok(!bench.store.applied.some(({ kind }) => kind === 'remove'))
  await stopping.removeRecords()
  assert.deepEqual(bench.store.applied.at(-1), { kind: 'remove', sourceId: 1, apex: 'a.example.' })
})

test('what was told last is kept for handlers that start later, until the part leaves', async () => {
  const bench = new Bench()
  await bench.change(configOf(['one', 1, { id: 'a', tells: 'hello' }]))
  assert.deepEqual(bench.told, [[1, 'hello']])
  assert.deepEqual(bench.parts.told, [[1, 'hello']])
  await bench.change(configOf(['one', 2, { id: 'b', tells: 'again' }]))
  assert.deepEqual(bench.parts.told, [[2, 'again']])
})

test('not ready: names of plugins, sorted, once each', async () => {
  const bench = new Bench()
  await bench.change(
    configOf(
      ['zeta', 1, { id: 'a', notReady: true }],
      ['beta', 2, { id: 'b', notReady: true }],
      ['beta', 3, { id: 'c', notReady: true }],
      ['gamma', 4, { id: 'd' }],
    ),
  )
  assert.deepEqual(bench.parts.notReady(), ['beta', 'zeta'])
})

test('a part that fails to drain or stop keeps the others from nothing', async () => {
  const bench = new Bench()
  await bench.change(configOf(['one', 1, { id: 'a', failsAt: 'drain' }], ['two', 2, { id: 'b', failsAt: 'stop' }]))
  assert.equal(await bench.parts.drain(), false)
  assert.equal(await bench.parts.stop(), false)
  assert.deepEqual(bench.events.slice(-4), ['drain a', 'drain b', 'stop a', 'stop b'])
})

test('reports reach their part; one that throws, and one for a part that is gone, do no harm', async () => {
  const bench = new Bench()
  await bench.change(configOf(['one', 1, { id: 'a' }], ['two', 2, { id: 'b', failsAt: 'report' }]))
  bench.events.length = 0
  for (const sourceId of [1, 2, 99]) bench.parts.report(sourceId, 'x')
  assert.deepEqual(bench.events, ['report a', 'report b'])
})

test('options are prepared, and a failure names the plugin or the place in the Corefile', async () => {
  const config = configOf(['one', 1, { id: 'a' }], ['two', 2, { id: 'b' }])
  const plugin = (name: string, prepare?: Plugin['prepare']): Plugin => ({
    name,
    parse: () => ({}),
    ...(prepare === undefined ? {} : { prepare }),
  })
  const prepared = await prepareOptions(config, async (name) =>
    name === 'one' ? plugin(name, async (options) => ({ ...(options as object), more: 1 })) : plugin(name),
  )
  assert.deepEqual(
    prepared.blocks[0]!.plugins.map(({ options }) => options),
    [{ id: 'a', more: 1 }, { id: 'b' }],
  )
  const failing = (error: Error) => prepareOptions(config, async (name) => plugin(name, () => Promise.reject(error)))
  await assert.rejects(failing(new Error('no such host')), { message: /^plugin\/(one|two): no such host$/ })
  const at = { file: 'Corefile', line: 4, column: 2 }
  await assert.rejects(failing(new CorefileError(at, 'no such host')), /^CorefileError: Corefile:4 - /)
})

test('a part that goes on over a reload has the block as it is now', async () => {
  const bench = new Bench()
  const config = configOf(['one', 1, { id: 'a' }])
  await bench.change(config)
  const [block] = config.blocks
  const moved = { ...config, blocks: [{ ...block!, id: 7 }] }
  const abandoned = await bench.parts.change(moved)
  await abandoned.abandon()
  assert.equal(bench.contexts.get('a')!.block.id, 0)
  await bench.change(moved)
  assert.equal(bench.contexts.get('a')!.block.id, 7)
  assert.equal(bench.contexts.size, 1)
})

test('thousands of parts start; after one that fails no further ones do, and all are stopped', async () => {
  const bench = new Bench()
  const many = Array.from({ length: 2000 }, (_, i) => ['one', i + 1, { id: `${i}` }] as const)
  await bench.change(configOf(...many))
  assert.equal(bench.events.filter((event) => event.startsWith('start ')).length, many.length)
  bench.events.length = 0
  const failing = Array.from({ length: 2000 }, (_, i): [string, number, Behaviour] => [
    'one',
    i + 10_001,
    { id: `${i}`, ...(i === 3 ? { failsAt: 'start' as const } : {}) },
  ])
  await assert.rejects(bench.parts.change(configOf(...failing)), /start failed/)
  const count = (what: string) => bench.events.filter((event) => event.startsWith(`${what} `)).length
  assert.ok(count('start') < 1500, `${count('start')} were started`)
  assert.equal(count('stop'), failing.length)
})
