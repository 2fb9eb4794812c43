import assert from 'node:assert/strict'
import { hostname } from 'node:os'
import test from 'node:test'
import { plugin } from '../../src/plugins/chaos/index.ts'
import { VERSION } from '../../src/version.ts'
import { parseWith } from '../support/directives.ts'
import { aQuery } from '../support/front.ts'
import { aChainQuery, NEXT_CAUSE, openHandler } from '../support/handler.ts'

const CH = { qclass: 3 }

test('version, host name and authors in class CH', async () => {
  const chaos = await openHandler(plugin, 'chaos Shoal-9 Bob Alice Bob')
  const cases: readonly [string, string[]][] = [
    ['version.bind.', ['Shoal-9']],
    ['VERSION.server.', ['Shoal-9']],
    ['hostname.bind.', [hostname()]],
    ['id.server.', [hostname()]],
    ['authors.bind.', ['Alice', 'Bob']],
  ]
  for (const [qname, want] of cases) {
    const query = aChainQuery(qname, 'TXT', CH)
    const { sections, authoritative } = await chaos.ask(query)
    assert.deepEqual(sections.answers.map((answer) => ('data' in answer ? answer.data : '')).sort(), want)
    for (const answer of sections.answers)
      assert.deepEqual(
        { ...answer, data: '' },
        { type: 'TXT', name: qname.slice(0, -1), class: 'CH', ttl: 0, data: '' },
      )
    assert.equal(authoritative, false)
    assert.equal(query.marks.isNoStore, true)
  }
})

test('other classes, types and names pass', async () => {
  const chaos = await openHandler(plugin, 'chaos')
  const cases = [
    aChainQuery('version.bind.', 'TXT'),
    aChainQuery('version.bind.', 'A', CH),
    aChainQuery('other.bind.', 'TXT', CH),
    aChainQuery('x.version.bind.', 'TXT', CH),
  ]
  for (const query of cases) assert.equal((await chaos.ask(query)).cause, NEXT_CAUSE)
  const { concerns } = plugin.front!(parseWith(plugin, 'chaos'), undefined as never) as {
    concerns(query: unknown): boolean
  }
  for (const { parsed } of cases) assert.equal(concerns(parsed), false)
  assert.equal(concerns(aQuery({ name: 'id.server', type: 'TXT', class: 'CH' })), true)
})

test('set-up: defaults, limits of length, no options', () => {
  assert.deepEqual(parseWith(plugin, 'chaos'), { version: `Shoal-${VERSION}`, authors: ['the Shoal authors'] })
  assert.deepEqual(parseWith(plugin, 'chaos {\n}'), { version: `Shoal-${VERSION}`, authors: ['the Shoal authors'] })
  assert.deepEqual(parseWith(plugin, 'chaos v b a b'), { version: 'v', authors: ['a', 'b'] })
  assert.equal(parseWith(plugin, `chaos ${'x'.repeat(300)}`).version.length, 255)
  assert.equal(Buffer.byteLength(parseWith(plugin, `chaos ${'é'.repeat(200)}`).version), 254)
  assert.throws(() => parseWith(plugin, 'chaos {\nfoo\n}'), /unknown property 'foo'/)
})
