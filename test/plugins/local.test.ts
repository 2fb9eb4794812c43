import assert from 'node:assert/strict'
import test from 'node:test'
import { Registry } from 'prom-client'
import type { FrontPart } from '../../src/chain/plugin.ts'
import { plugin } from '../../src/plugins/local/index.ts'
import { parseWith } from '../support/directives.ts'
import { aClient, anOutcome, aQuery } from '../support/front.ts'
import { aChainQuery, closeAll, NEXT_CAUSE, openHandler } from '../support/handler.ts'

const TTL = 604800
const soa = (name: string) => ({
  type: 'SOA',
  name,
  class: 'IN',
  ttl: TTL,
  data: { mname: 'localhost', rname: 'root.localhost', serial: 1, refresh: 0, retry: 0, expire: 0, minimum: TTL },
})
const record = (type: string, name: string, data: string) => ({ type, name, class: 'IN', ttl: TTL, data })

const cases: readonly { ask: string; type: string; rcode?: number; answers?: unknown[]; authorities?: unknown[] }[] = [
  { ask: 'localhost.', type: 'A', answers: [record('A', 'localhost', '127.0.0.1')] },
  { ask: 'LocalHost.', type: 'AAAA', answers: [record('AAAA', 'LocalHost', '::1')] },
  { ask: 'localhost.', type: 'SOA', answers: [soa('localhost')] },
  { ask: 'localhost.', type: 'NS', answers: [record('NS', 'localhost', 'localhost')] },
  { ask: 'localhost.', type: 'MX', authorities: [soa('localhost')] },
  { ask: 'a.b.LOCALHOST.', type: 'A', answers: [record('A', 'a.b.LOCALHOST', '127.0.0.1')] },
  { ask: 'a.localhost.', type: 'SRV', authorities: [soa('a.localhost')] },
  { ask: 'localhost.example.net.', type: 'A', answers: [record('A', 'localhost.example.net', '127.0.0.1')] },
  { ask: 'localhost.example.net.', type: 'AAAA', answers: [record('AAAA', 'localhost.example.net', '::1')] },
  { ask: 'localhost.example.net.', type: 'SOA', authorities: [soa('localhost.example.net')] },
  { ask: '127.in-addr.arpa.', type: 'A', authorities: [soa('127.in-addr.arpa')] },
  { ask: '127.in-addr.arpa.', type: 'NS', answers: [record('NS', '127.in-addr.arpa', 'localhost')] },
  { ask: '0.in-addr.arpa.', type: 'SOA', answers: [soa('0.in-addr.arpa')] },
  { ask: '1.0.0.127.in-addr.arpa.', type: 'PTR', answers: [record('PTR', '1.0.0.127.in-addr.arpa', 'localhost')] },
  { ask: '1.0.0.127.IN-ADDR.arpa.', type: 'MX', authorities: [soa('127.IN-ADDR.arpa')] },
  { ask: '2.0.0.127.in-addr.arpa.', type: 'PTR', rcode: 3, authorities: [soa('127.in-addr.arpa')] },
  { ask: '5.255.in-addr.arpa.', type: 'A', rcode: 3, authorities: [soa('255.in-addr.arpa')] },
]
for (const { ask, type, rcode = 0, answers = [], authorities = [] } of cases) {
  test(`${ask} ${type}`, async (t) => {
    const local = await openHandler(plugin, 'local')
    t.after(() => closeAll(local))
    const query = aChainQuery(ask, type)
    const reply = await local.ask(query)
    assert.equal(reply.rcode, rcode)
    assert.equal(reply.authoritative, false)
    assert.deepEqual(reply.sections, { answers, authorities, additionals: [] })
    assert.equal(query.marks.isFixed, true)
  })
}

test('names of others pass, and stay in the front', async () => {
  const local = await openHandler(plugin, 'local')
  const off = await openHandler(plugin, 'local {\nlocalhost_prefix off\n}')
  const front = (corefile: string) =>
    plugin.front!(parseWith(plugin, corefile), { registry: new Registry() } as never) as FrontPart
  const cases = [
    { ask: 'example.net.', with: local, concerned: false },
    { ask: 'localhosts.', with: local, concerned: false },
    { ask: 'notlocalhost.example.', with: local, concerned: false },
    { ask: 'x.localhost.example.', with: local, concerned: false },
    { ask: '128.in-addr.arpa.', with: local, concerned: false },
    { ask: '.', with: local, concerned: false },
    { ask: 'localhost.example.net.', with: off, concerned: true },
  ]
  for (const { ask, with: handler, concerned } of cases) {
    const query = aChainQuery(ask)
    assert.equal((await handler.ask(query)).cause, NEXT_CAUSE, ask)
    assert.equal(query.marks.isFixed, false)
    assert.equal(front('local').concerns!(query.parsed), concerned, ask)
  }
  assert.equal(front('local {\nlocalhost_prefix off\n}').concerns!(aQuery({ name: 'localhost.example.net' })), false)
  assert.equal(front('local').concerns!(aQuery({ name: 'a.localhost' })), true)
  assert.equal(front('local').concerns!(aQuery({ name: '1.0.0.127.in-addr.arpa' })), true)
})

test('the metric counts localhost names, hits too, over all blocks', async () => {
  const registry = new Registry()
  const parts = [0, 1].map(() => plugin.front!({ localhostPrefix: true }, { registry } as never) as FrontPart)
  for (const name of ['a.localhost', 'localhost.example.net', 'localhost', 'example.net', '1.0.0.127.in-addr.arpa']) {
    for (const part of parts) part.observe!(aQuery({ name }), aClient(), anOutcome(new Uint8Array(12)))
  }
  assert.match(await registry.metrics(), /coredns_local_localhost_requests_total 4\n/)
  assert.match(await registry.metrics(), /coredns_local_localhost_requests_total 4\n/)
})

test('set-up', () => {
  assert.deepEqual(parseWith(plugin, 'local'), { localhostPrefix: true })
  assert.deepEqual(parseWith(plugin, 'local {\nlocalhost_prefix off\n}'), { localhostPrefix: false })
  const refused: readonly [string, RegExp][] = [
    ['local example.net', /Wrong argument count/],
    ['local {\nlocalhost_prefix\n}', /Wrong argument count/],
    ['local {\nlocalhost_prefix maybe\n}', /expects 'on' or 'off', got "maybe"/],
    ['local {\nother\n}', /unknown property 'other'/],
  ]
  for (const [corefile, message] of refused) assert.throws(() => parseWith(plugin, corefile), { message })
})
