import assert from 'node:assert/strict'
import test from 'node:test'
import { READ_CLIENT, READ_TRANSPORT } from '../../src/chain/marks.ts'
import { plugin } from '../../src/plugins/whoami/index.ts'
import { parseWith } from '../support/directives.ts'
import { aChainQuery, openHandler, type QuerySetting } from '../support/handler.ts'

const cases: readonly { title: string; qname: string; type?: string; setting?: QuerySetting; want: unknown[] }[] = [
  {
    title: 'IPv4 over UDP',
    qname: 'Example.org.',
    want: [
      { type: 'A', name: 'Example.org', class: 'IN', ttl: 0, data: '192.0.2.7' },
      {
        type: 'SRV',
        name: '_udp.Example.org',
        class: 'IN',
        ttl: 0,
        data: { priority: 0, weight: 0, port: 40112, target: '.' },
      },
    ],
  },
  {
    title: 'IPv6 over TCP, whatever the type and class; the interface is left out',
    qname: 'example.org.',
    type: 'MX',
    setting: { address: 'fe80::7%eth0', port: 5, tcp: true, qclass: 3 },
    want: [
      { type: 'AAAA', name: 'example.org', class: 'CH', ttl: 0, data: 'fe80::7' },
      {
        type: 'SRV',
        name: '_tcp.example.org',
        class: 'CH',
        ttl: 0,
        data: { priority: 0, weight: 0, port: 5, target: '.' },
      },
    ],
  },
  {
    title: 'the root',
    qname: '.',
    want: [
      { type: 'A', name: '.', class: 'IN', ttl: 0, data: '192.0.2.7' },
      { type: 'SRV', name: '_udp', class: 'IN', ttl: 0, data: { priority: 0, weight: 0, port: 40112, target: '.' } },
    ],
  },
]
for (const { title, qname, type, setting, want } of cases) {
  test(title, async () => {
    const whoami = await openHandler(plugin, 'whoami')
    const query = aChainQuery(qname, type, setting)
    const reply = await whoami.ask(query)
    assert.equal(reply.authoritative, true)
    assert.deepEqual(reply.sections, { answers: [], authorities: [], additionals: want })
    assert.equal(query.marks.reads, READ_CLIENT | READ_TRANSPORT)
  })
}

test('it takes no arguments', () => assert.throws(() => parseWith(plugin, 'whoami x'), /Wrong argument count/))
