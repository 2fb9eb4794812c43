import assert from 'node:assert/strict'
import dgram from 'node:dgram'
import { once } from 'node:events'
import test from 'node:test'
import { Registry } from 'prom-client'
import type { PrimaryContext } from '../../src/chain/plugin.ts'
import { plugin } from '../../src/plugins/loop/index.ts'
import { LoopSearch } from '../../src/plugins/loop/loop-search.ts'
import type { LoopState } from '../../src/plugins/loop/messages.ts'
import { nameToText } from '../../src/wire/name.ts'
import { parseWith } from '../support/directives.ts'
import { aBlock, aListener, aLog } from '../support/front.ts'
import { aChainQuery, closeAll, NEXT_CAUSE, openHandler } from '../support/handler.ts'

test("set-up: the first key's zone, exit or degrade", () => {
  const zones = ['example.org.', 'example.net.']
  assert.deepEqual(parseWith(plugin, 'loop', { zones }), { zone: 'example.org.', onLoop: 'exit' })
  assert.deepEqual(parseWith(plugin, 'loop exit'), { zone: '.', onLoop: 'exit' })
  assert.deepEqual(parseWith(plugin, 'loop degrade'), { zone: '.', onLoop: 'degrade' })
  const refused: readonly [string, RegExp][] = [
    ['loop example.org', /"exit" or "degrade", not "example.org"/],
    ['loop degrade now', /Wrong argument count/],
    ['loop {\n}', /Wrong argument count/],
    ['loop\nloop', /only be used once/],
  ]
  for (const [corefile, message] of refused) assert.throws(() => parseWith(plugin, corefile), { message })
})

test('handlers report the probe they were told, a few times, and nothing that was guessed', async (t) => {
  const loop = await openHandler(plugin, 'loop')
  t.after(() => closeAll(loop))
  const ask = (qname: string, type = 'HINFO') => loop.ask(aChainQuery(qname, type))
  await ask('1.2.example.')
  loop.tell({ probe: '123.456.example.', looped: false } satisfies LoopState)
  for (let i = 0; i < 1000; i++) await ask(`${i}.457.example.`)
  await ask('123.456.example.', 'A')
  assert.deepEqual(loop.reports, [])
  for (let i = 0; i < 100; i++) assert.equal((await ask('123.456.EXAMPLE.')).cause, NEXT_CAUSE)
  assert.equal(loop.reports.length, 8)
  assert.deepEqual(loop.reports[0], { probe: '123.456.example.', client: '192.0.2.7:40112' })
  loop.tell({ probe: undefined, looped: false } satisfies LoopState)
  await ask('123.456.example.')
  assert.equal(loop.reports.length, 8)
})

test('while a loop is there only the probe passes', async (t) => {
  const loop = await openHandler(plugin, 'loop degrade')
  t.after(() => closeAll(loop))
  loop.tell({ probe: '1.2.', looped: true } satisfies LoopState)
  const reply = await loop.ask(aChainQuery('www.example.org.'))
  assert.equal(reply.rcode, 2)
  assert.match(reply.cause!, /leads back to this server/)
  assert.equal(Buffer.from(reply.options[0]!.data).toString('latin1'), '\x00\x00forwarding loop')
  assert.equal((await loop.ask(aChainQuery('1.2.', 'HINFO'))).cause, NEXT_CAUSE)
  loop.tell({ probe: undefined, looped: false } satisfies LoopState)
  assert.equal((await loop.ask(aChainQuery('www.example.org.'))).cause, NEXT_CAUSE)
})

/** A server that "forwards" each probe to itself `turns` times before it answers; its handler's reports go to the search. */
async function openServer(turns: () => number, onLoop: 'exit' | 'degrade') {
  const socket = dgram.createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  const told: LoopState[] = []
  const fatal: string[] = []
  const log = aLog()
  const registry = new Registry()
  const listener = aListener({ address: '127.0.0.1', port, zones: [{ zone: '.', blockIds: [0] }] })
  const context = {
    block: aBlock(['.']),
    log,
    registry,
    server: { listeners: [listener], fatal: (text: string) => fatal.push(text) },
    tell: (state: LoopState) => told.push(state),
  } as unknown as PrimaryContext
  const search = new LoopSearch({ zone: '.', onLoop }, context)
  const probes: string[] = []
  socket.on('message', (message, { port: from, address }) => {
    const probe = nameToText(message, 12)
    probes.push(probe)
    for (let i = 0; i < turns(); i++) search.onReport({ probe, client: `127.0.0.1:${from}` })
    message[2]! |= 0x80
    socket.send(message, from, address)
  })
  return {
    search,
    told,
    fatal,
    log,
    registry,
    probes,
    port,
    close: async () => {
      await search.stop()
      socket.close()
    },
  }
}

const until = async (condition: () => boolean): Promise<void> => {
  for (let i = 0; i < 500 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 10))
  assert.ok(condition())
}

test('no loop: the probe comes by once, the name is told before it is asked for', async (t) => {
  const server = await openServer(() => 1, 'exit')
  t.after(() => closeAll(server))
  await server.search.start()
  await until(() => server.probes.length === 1)
  assert.deepEqual(server.told, [{ probe: server.probes[0], looped: false }])
  assert.match(server.probes[0]!, /^\d+\.\d+\.$/)
  assert.deepEqual(server.fatal, [])
})

test('a loop is fatal, after a second name has shown it too', async (t) => {
  const server = await openServer(() => 3, 'exit')
  t.after(() => closeAll(server))
  await server.search.start()
  await until(() => server.fatal.length === 1)
  assert.equal(server.probes.length, 2)
  assert.notEqual(server.probes[0], server.probes[1])
  assert.match(
    server.fatal[0]!,
    new RegExp(
      `^plugin/loop: Loop \\(127\\.0\\.0\\.1:\\d+ -> 127\\.0\\.0\\.1:${server.port}\\) detected for zone "\\.", see https://coredns\\.io/plugins/loop#troubleshooting\\. Query: "HINFO ${server.probes[1]}"$`,
    ),
  )
})

test('a name that somebody replays makes no loop', async (t) => {
  const server = await openServer(() => 1, 'exit')
  t.after(() => closeAll(server))
  await server.search.start()
  await until(() => server.probes.length === 1)
  for (let i = 0; i < 1000; i++) server.search.onReport({ probe: server.probes[0], client: '192.0.2.66:53' })
  await until(() => server.probes.length === 2)
  for (let i = 0; i < 1000; i++) server.search.onReport({ probe: server.probes[0], client: '192.0.2.66:53' })
  assert.deepEqual(server.fatal, [])
})

test('degrade: forwarding goes off and the log says so', async (t) => {
  const server = await openServer(() => 3, 'degrade')
  t.after(() => closeAll(server))
  await server.search.start()
  await until(() => server.told.at(-1)!.looped)
  assert.deepEqual(server.fatal, [])
  assert.match(server.log.lines[0]!, /^ERROR Loop .* Forwarding is off until it is gone$/)
  assert.match(await server.registry.metrics(), /shoal_loop_detected\{zone="\."\} 1\n/)
})
