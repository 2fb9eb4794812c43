import assert from 'node:assert/strict'
import test from 'node:test'
import { BlockTable, NO_BLOCK } from '../../src/chain/block-table.ts'
import type { ListenerConfig } from '../../src/corefile/server-config.ts'
import { ACCEPT, ParsedQuery } from '../../src/wire/parsed-query.ts'
import { composeTestQuery } from '../support/dns-client.ts'

function tableOf(zones: readonly string[]): BlockTable {
  const listener: ListenerConfig = {
    id: 0,
    transport: 'dns',
    address: '',
    port: 53,
    sockets: 0,
    server: 'dns://:53',
    zones: zones.map((zone, id) => ({ zone, blockIds: [id] })),
    allClasses: false,
  }
  return new BlockTable(listener)
}

function parsed(qname: string, qtype: number): ParsedQuery {
  const query = new ParsedQuery()
  const message = composeTestQuery(qname, qtype)
  assert.equal(query.parse(message, 0, message.length), ACCEPT)
  return query
}

const zones = ['example.org.', 'sub.example.org.', 'b.sub.example.org.', 'org.test.', '10.in-addr.arpa.']
const cases = [
  { title: 'the apex itself', ask: 'example.org.', block: 'example.org.' },
  { title: 'the longest suffix wins', ask: 'a.b.sub.example.org.', block: 'b.sub.example.org.' },
  { title: 'labels, not letters, are compared', ask: 'notexample.org.', block: undefined },
  { title: 'case is ignored', ask: 'WWW.EXAMPLE.ORG.', block: 'example.org.' },
  { title: 'a parent of a zone is not in it', ask: 'org.', block: undefined },
  { title: 'the root is in no zone but the root', ask: '.', block: undefined },
  { title: 'RFC 4035 3.1.4.1: DS at a cut is the parent’s', ask: 'sub.example.org.', qtype: 43, block: 'example.org.' },
  { title: 'DS below the apex is the zone’s own', ask: 'x.sub.example.org.', qtype: 43, block: 'sub.example.org.' },
  { title: 'DS at an apex without a served parent stays', ask: 'example.org.', qtype: 43, block: 'example.org.' },
]
for (const { title, ask, qtype, block } of cases) {
  test(title, () => {
    const found = tableOf(zones).find(parsed(ask, qtype ?? 1))
    assert.equal(found === NO_BLOCK ? undefined : zones[found], block)
  })
}

test('the root block takes what no other zone does', () => {
  const table = tableOf(['.', 'example.org.'])
  assert.equal(table.find(parsed('example.com.', 1)), 0)
  assert.equal(table.find(parsed('.', 2)), 0)
  assert.equal(table.find(parsed('www.example.org.', 1)), 1)
})

test('12,000 zones are all found', () => {
  const many = Array.from({ length: 12000 }, (_, i) => `zone-${i}.test.`)
  const table = tableOf(many)
  for (let i = 0; i < many.length; i += 7) assert.equal(table.find(parsed(`www.zone-${i}.test.`, 1)), i)
  assert.equal(table.find(parsed('www.zone-12000.test.', 1)), NO_BLOCK)
})
