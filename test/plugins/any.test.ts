import assert from 'node:assert/strict'
import test from 'node:test'
import { plugin } from '../../src/plugins/any/index.ts'
import { parseWith } from '../support/directives.ts'
import { aQuery } from '../support/front.ts'
import { aChainQuery, NEXT_CAUSE, openHandler } from '../support/handler.ts'

test('RFC 8482 4.2: QTYPE ANY gets one HINFO record, in the spelling of the query', async () => {
  const any = await openHandler(plugin, 'any')
  const query = aChainQuery('Example.ORG.', 'ANY')
  const reply = await any.ask(query)
  assert.equal(reply.rcode, 0)
  assert.equal(reply.authoritative, false)
  assert.deepEqual(reply.sections.answers, [
    { type: 'HINFO', name: 'Example.ORG', class: 'IN', ttl: 8482, data: { cpu: 'ANY obsoleted', os: 'See RFC 8482' } },
  ])
  assert.equal(query.marks.isFixed, true)
})

test('other types pass, unmarked', async () => {
  const any = await openHandler(plugin, 'any')
  for (const type of ['A', 'AAAA', 'MX', 'TXT', 'CNAME']) {
    const query = aChainQuery('example.org.', type)
    assert.equal((await any.ask(query)).cause, NEXT_CAUSE)
    assert.equal(query.marks.isFixed, false)
  }
})

test('the front keeps all but QTYPE ANY', () => {
  const { concerns } = plugin.front!(null, undefined as never) as { concerns(query: unknown): boolean }
  assert.equal(concerns(aQuery({ name: 'example.org', type: 'ANY' })), true)
  assert.equal(concerns(aQuery({ name: 'example.org', type: 'A' })), false)
})

test('it takes no arguments and no block', () => {
  for (const corefile of ['any example.org', 'any {\nfoo\n}', 'any {\n}'])
    assert.throws(() => parseWith(plugin, corefile), /Wrong argument count/)
})
