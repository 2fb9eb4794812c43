/** `k8s_external` beside `kubernetes`. Runs on the API in memory and on a real one. */
import assert from 'node:assert/strict'
import test, { after, before } from 'node:test'
import { plugin } from '../../src/plugins/k8s_external/index.ts'
import { plugin as kubernetes } from '../../src/plugins/kubernetes/index.ts'
import { parseWith } from '../support/directives.ts'
import { aChainQuery } from '../support/handler.ts'
import { until } from '../support/until.ts'
import { openZoneChain, passed, shown, type ZoneChain } from '../support/zone-chain.ts'
import { type Cluster, openCluster } from './cluster.ts'
import { namespace, service, slice } from './objects.ts'

const nodata = '0 aa; authority: example.org 5 SOA'
const nxdomain = '3 aa; authority: example.org 5 SOA'
const ZONES = ['example.org', 'in-addr.arpa']
const balanced = (...ingress: readonly object[]) => ({ loadBalancer: { ingress } })
const OBJECTS = [
  namespace('outer'),
  namespace('bare'),
  service('outer/web', {
    ips: ['10.96.6.1'],
    ports: ['http/TCP:80', 'tls/TCP:443'],
    spec: { externalIPs: ['192.0.2.10', '192.0.2.11'] },
  }),
  service('outer/balanced', {
    ips: ['10.96.6.2'],
    ports: ['http/TCP:80'],
    spec: { type: 'LoadBalancer' },
    status: balanced({ ip: '192.0.2.20' }),
  }),
  service('outer/named', {
    ips: ['10.96.6.3'],
    ports: ['http/TCP:80'],
    spec: { type: 'LoadBalancer' },
    status: balanced({ hostname: 'lb.example.net' }),
  }),
  service('outer/inner', { ips: ['10.96.6.4'], ports: ['http/TCP:80'] }),
  service('outer/db', { ips: ['None'], ports: ['pg/TCP:5432'] }),
  slice('outer/db-a', {
    service: 'db',
    endpoints: [{ address: '10.244.9.1', hostname: 'db-0' }, '10.244.9.2'],
    ports: ['pg/TCP:5432'],
  }),
]

interface Case {
  readonly title: string
  readonly ask: string
  readonly reply: string
  readonly options?: string
}

const srv = (weight: number, port: number, target: string): string =>
  `{"priority":0,"weight":${weight},"port":${port},"target":"${target}"}`
const web = 'web.outer.example.org'
const CASES: readonly Case[] = [
  { title: 'external addresses', ask: `${web} A`, reply: `0 aa; answer: ${web} 5 A 192.0.2.10, ${web} 5 A 192.0.2.11` },
  { title: 'the other family is NODATA', ask: `${web} AAAA`, reply: nodata },
  {
    title: 'the address of a load balancer',
    ask: 'balanced.outer.example.org A',
    reply: '0 aa; answer: balanced.outer.example.org 5 A 192.0.2.20',
  },
  {
    title: 'ttl is that of addresses',
    options: 'ttl 60',
    ask: 'balanced.outer.example.org A',
    reply: '0 aa; answer: balanced.outer.example.org 60 A 192.0.2.20',
  },
  {
    title: 'the host name of a load balancer',
    ask: 'named.outer.example.org CNAME',
    reply: '0 aa; answer: named.outer.example.org 5 CNAME lb.example.net',
  },
  {
    title: 'SRV to it',
    ask: '_http._tcp.named.outer.example.org SRV',
    reply: `0 aa; answer: _http._tcp.named.outer.example.org 5 SRV ${srv(100, 80, 'lb.example.net')}`,
  },
  {
    title: 'SRV of a port: half the weight for two addresses, and both of them',
    ask: `_http._tcp.${web} SRV`,
    reply: `0 aa; answer: _http._tcp.${web} 5 SRV ${srv(50, 80, web)}; additional: ${web} 5 A 192.0.2.10, ${web} 5 A 192.0.2.11`,
  },
  { title: 'an unknown port', ask: `*._x.${web} A`, reply: nxdomain },
  { title: 'an unknown service', ask: 'absent.outer.example.org A', reply: nxdomain },
  { title: 'a service without external addresses', ask: 'inner.outer.example.org A', reply: nxdomain },
  { title: 'the name of a namespace', ask: 'outer.example.org A', reply: nodata },
  { title: 'of one without such services', ask: 'bare.example.org A', reply: nodata },
  { title: 'of an unknown one', ask: 'absent.example.org A', reply: nxdomain },
  { title: 'the apex SOA', ask: 'example.org SOA', reply: '0 aa; answer: example.org 5 SOA' },
  { title: 'the apex A', ask: 'example.org A', reply: nodata },
  { title: 'the name above the name server', ask: 'dns.example.org A', reply: nodata },
  { title: 'others there', ask: 'ns2.dns.example.org A', reply: nxdomain },
  { title: 'another apex', options: 'apex name.server', ask: 'server.example.org A', reply: nodata },
  {
    title: 'PTR of an external address',
    ask: '10.2.0.192.in-addr.arpa PTR',
    reply: `0 aa; answer: 10.2.0.192.in-addr.arpa 5 PTR ${web}`,
  },
  { title: 'PTR of an unknown one', ask: '99.2.0.192.in-addr.arpa PTR', reply: '3 aa; authority: in-addr.arpa 5 SOA' },
  { title: 'PTR of a service', ask: `${web} PTR`, reply: nodata },
  { title: 'headless services are not there by default', ask: 'db.outer.example.org A', reply: nxdomain },
  {
    title: 'headless',
    options: 'headless',
    ask: 'db.outer.example.org A',
    reply: '0 aa; answer: db.outer.example.org 5 A 10.244.9.1, db.outer.example.org 5 A 10.244.9.2',
  },
  {
    title: 'headless: an endpoint',
    options: 'headless',
    ask: 'db-0.db.outer.example.org A',
    reply: '0 aa; answer: db-0.db.outer.example.org 5 A 10.244.9.1',
  },
  {
    title: 'headless: SRV',
    options: 'headless',
    ask: '_pg._tcp.db.outer.example.org SRV',
    reply: `0 aa; answer: _pg._tcp.db.outer.example.org 5 SRV ${srv(50, 5432, 'db-0.db.outer.example.org')}, _pg._tcp.db.outer.example.org 5 SRV ${srv(50, 5432, '10-244-9-2.db.outer.example.org')}; additional: db-0.db.outer.example.org 5 A 10.244.9.1, 10-244-9-2.db.outer.example.org 5 A 10.244.9.2`,
  },
  { title: 'fallthrough', options: 'fallthrough', ask: 'absent.outer.example.org A', reply: 'passed on' },
  { title: 'outside of the zones', ask: 'www.example.net A', reply: 'passed on' },
]

let cluster: Cluster
const chains = new Map<string, ZoneChain>()
after(async () => {
  for (const chain of chains.values()) await chain.close()
})

async function open(options: string): Promise<ZoneChain> {
  const known = chains.get(options)
  if (known !== undefined) return known
  const beside = { name: 'kubernetes', options: parseWith(kubernetes, 'kubernetes cluster.local'), sourceId: 1 }
  const parsed = parseWith(plugin, `k8s_external ${ZONES.join(' ')} {\n${options}\n}`)
  const chain = await openZoneChain(plugin, parsed, () => passed, [beside])
  chains.set(options, chain)
  await until('published', async () => !(await ask(chain, 'example.org', 'SOA')).startsWith('unwritten'))
  return chain
}

async function ask(chain: ZoneChain, qname: string, qtype: string): Promise<string> {
  return shown(await chain.ask(aChainQuery(qname, qtype).parsed)).replaceAll(/ SOA \{[^}]*\}/g, ' SOA')
}

before(async () => {
  cluster = await openCluster()
  await cluster.put(...OBJECTS)
  await cluster.open()
})

for (const { title, ask: question, reply, options = '' } of CASES) {
  test(title, async () => {
    const [qname, qtype] = question.split(' ')
    assert.equal(await ask(await open(options), qname!, qtype!), reply)
  })
}

test('a change, and another source after a reload', async () => {
  const chain = await open('')
  const moved = service('outer/moved', {
    ips: ['10.96.6.9'],
    ports: ['x/TCP:1'],
    spec: { externalIPs: ['192.0.2.30'] },
  })
  await cluster.put(moved)
  await until('it is there', async () => (await ask(chain, 'moved.outer.example.org', 'A')).endsWith('192.0.2.30'))
  // The kubernetes plugin is started anew, and the old one ends.
  const [first, second] = [await cluster.open('ttl 7'), await cluster.open('ttl 8')]
  await first.close()
  await cluster.remove(moved)
  await until('it is gone', async () => (await ask(chain, 'moved.outer.example.org', 'A')) === nxdomain)
  await until('its address too', async () => (await ask(chain, '30.2.0.192.in-addr.arpa', 'PTR')).startsWith('3 aa'))
  await second.close()
})

test('without kubernetes in the block', async () => {
  await assert.rejects(openZoneChain(plugin, parseWith(plugin, 'k8s_external')), /kubernetes plugin not loaded/)
})

test('syntax', () => {
  const parse = (text: string) => parseWith(plugin, text, { zones: ['example.org.'] })
  const defaults = { zones: ['example.org.'], apex: 'dns', ttlSeconds: 5, headless: false, fallthrough: [] }
  assert.deepEqual(parse('k8s_external'), defaults)
  assert.deepEqual(parse('k8s_external example.com'), { ...defaults, zones: ['example.com.'] })
  assert.deepEqual(parse('k8s_external {\napex testdns\nttl 42\nheadless\nfallthrough a.example\n}'), {
    ...defaults,
    apex: 'testdns',
    ttlSeconds: 42,
    headless: true,
    fallthrough: ['a.example.'],
  })
  for (const [text, problem] of [
    ['apex', /Wrong argument count/],
    ['apex a..b', /is no name/],
    ['ttl', /Wrong argument count/],
    ['ttl x', /invalid syntax/],
    ['ttl 3601', /ttl must be in range \[0, 3600\]/],
    ['ttl -1', /ttl must be in range \[0, 3600\]/],
    ['unknown', /unknown property 'unknown'/],
  ] as const) {
    assert.throws(() => parse(`k8s_external {\n${text}\n}`), problem, text)
  }
})
