/**
 * The names of the DNS-based service discovery specification 1.1, record by record, and CoreDNS's additions to it. Runs on the API
 * in memory and on a real one.
 */
import assert from 'node:assert/strict'
import test, { before } from 'node:test'
import { NOERROR, NXDOMAIN, Reply } from '../../src/chain/reply.ts'
import { type Cluster, type OpenPlugin, openCluster } from './cluster.ts'
import { namespace, pod, service, slice } from './objects.ts'

const nodata = '0 aa; authority: cluster.local 5 SOA'
const nxdomain = '3 aa; authority: cluster.local 5 SOA'

const OBJECTS = [
  namespace('shop', { team: 'web' }),
  namespace('bare'),
  service('shop/web', { ips: ['10.96.7.1'], ports: ['http/TCP:80', 'dns/UDP:53', 'dns-tcp/TCP:53'] }),
  slice('shop/web-a', {
    service: 'web',
    endpoints: ['10.244.0.1', { address: '10.244.0.2', ready: false }, { address: '10.244.0.3', hostname: 'third' }],
    ports: ['http/TCP:8080'],
  }),
  service('shop/unnamed', { ips: ['10.96.7.2'], ports: ['TCP:81'] }),
  service('shop/db', { ips: ['None'], ports: ['pg/TCP:5432'] }),
  slice('shop/db-a', {
    service: 'db',
    endpoints: [
      { address: '10.244.1.1', hostname: 'db-0', pod: 'db-0', zone: 'north' },
      { address: '10.244.1.2', pod: 'db-1', zone: 'south.b' },
      { address: '10.244.1.3', ready: false },
    ],
    ports: ['pg/TCP:5432', 'mon/TCP:9187'],
  }),
  slice('shop/db-b', {
    service: 'db',
    endpoints: [{ address: 'fd00:1::1', hostname: 'db-0' }, { address: 'fd00:1::' }],
    ports: ['pg/TCP:5432', 'mon/TCP:9187'],
  }),
  service('shop/twins', { ips: ['None'], ports: ['x/TCP:1'] }),
  slice('shop/twins-a', {
    service: 'twins',
    endpoints: [
      { address: '10.244.2.1', hostname: 'twin' },
      { address: '10.244.2.2', hostname: 'twin' },
    ],
    ports: ['x/TCP:1'],
  }),
  service('shop/portless', { ips: ['None'] }),
  slice('shop/portless-a', { service: 'portless', endpoints: ['10.244.3.1'] }),
  service('shop/nobody', { ips: ['None'], ports: ['x/TCP:1'] }),
  service('shop/idle', { ips: ['10.96.7.3'], ports: ['x/TCP:1'] }),
  service('shop/outside', { externalName: 'www.example.org' }),
  service('shop/alias', { externalName: 'web.shop.svc.cluster.local' }),
  service('shop/address', { externalName: '192.0.2.1' }),
  slice('shop/orphan-a', { service: 'orphan', endpoints: ['10.244.4.1'] }),
  // The same endpoint behind two services.
  service('shop/second', { ips: ['10.96.7.4'], ports: ['x/TCP:1'] }),
  slice('shop/second-a', { service: 'second', endpoints: ['10.244.1.1'], ports: ['x/TCP:1'] }),
  pod('shop/one', ['10.244.0.1', 'fd00:2::1']),
  pod('shop/pending', ['10.244.0.9'], { phase: 'Pending' }),
  pod('shop/over', ['10.244.0.8'], { phase: 'Succeeded' }),
  service('shop/dual', { ips: ['10.96.7.5', 'fd00:96::5'], ports: ['http/TCP:80'] }),
  slice('shop/dual-a', { service: 'dual', endpoints: ['10.244.5.1'], ports: ['http/TCP:80'] }),
]

interface Case {
  readonly title: string
  readonly ask: string
  readonly reply: string | RegExp
}

const svc = (name: string): string => `${name}.shop.svc.cluster.local`
const positive = (owner: string, type: string, ...data: readonly string[]): string =>
  `0 aa; answer: ${data.map((each) => `${owner} 5 ${type} ${each}`).join(', ')}`
const srv = (weight: number, port: number, target: string): string =>
  `{"priority":0,"weight":${weight},"port":${port},"target":"${target}"}`
const additional = (...records: readonly string[]): string => `; additional: ${records.join(', ')}`

const CASES: readonly Case[] = [
  {
    title: '2.2: the schema version',
    ask: 'dns-version.cluster.local TXT',
    reply: '0 aa; answer: dns-version.cluster.local 28800 TXT ["1.1.0"]',
  },
  {
    title: '2.3.1: A of a service with a cluster IP',
    ask: `${svc('web')} A`,
    reply: positive(svc('web'), 'A', '10.96.7.1'),
  },
  { title: '2.3.1: AAAA of a service with one family is NODATA', ask: `${svc('web')} AAAA`, reply: nodata },
  {
    title: 'a service without ready endpoints still answers',
    ask: `${svc('idle')} A`,
    reply: positive(svc('idle'), 'A', '10.96.7.3'),
  },
  {
    title: '2.3.2: SRV of a named port',
    ask: `_http._tcp.${svc('web')} SRV`,
    reply:
      positive(`_http._tcp.${svc('web')}`, 'SRV', srv(100, 80, svc('web'))) + additional(`${svc('web')} 5 A 10.96.7.1`),
  },
  { title: '2.3.2: the protocol counts', ask: `_http._udp.${svc('web')} SRV`, reply: nxdomain },
  { title: '2.3.2: an unknown port', ask: `_nope._tcp.${svc('web')} SRV`, reply: nxdomain },
  { title: '2.3.2: a port without a name has no SRV of its own', ask: `_tcp.${svc('unnamed')} SRV`, reply: nxdomain },
  { title: 'A at the name of a port is NODATA', ask: `_http._tcp.${svc('web')} A`, reply: nodata },
  {
    title: 'SRV of the bare service lists all ports, its weight counted before equal ones are one',
    ask: `${svc('web')} SRV`,
    reply:
      positive(svc('web'), 'SRV', srv(33, 80, svc('web')), srv(33, 53, svc('web'))) +
      additional(`${svc('web')} 5 A 10.96.7.1`),
  },
  {
    title: '2.3.3: PTR of a cluster IP',
    ask: '1.7.96.10.in-addr.arpa PTR',
    reply: positive('1.7.96.10.in-addr.arpa', 'PTR', svc('web')),
  },
  {
    title: 'an endpoint of a service with a cluster IP has its name',
    ask: `10-244-0-1.${svc('web')} A`,
    reply: positive(`10-244-0-1.${svc('web')}`, 'A', '10.244.0.1'),
  },
  {
    title: 'its host name is lower-case',
    ask: `third.${svc('web')} A`,
    reply: positive(`third.${svc('web')}`, 'A', '10.244.0.3'),
  },
  { title: 'an endpoint that is not ready has no name', ask: `10-244-0-2.${svc('web')} A`, reply: nxdomain },
  {
    title: '2.4.1: A of a headless service: all ready endpoints',
    ask: `${svc('db')} A`,
    reply: positive(svc('db'), 'A', '10.244.1.1', '10.244.1.2'),
  },
  {
    title: '2.4.1: AAAA of a headless service',
    ask: `${svc('db')} AAAA`,
    reply: positive(svc('db'), 'AAAA', 'fd00:1::1', 'fd00:1::'),
  },
  {
    title: '2.4.1: A of an endpoint by host name',
    ask: `db-0.${svc('db')} A`,
    reply: positive(`db-0.${svc('db')}`, 'A', '10.244.1.1'),
  },
  {
    title: '2.4.1: AAAA of the same host name from another slice',
    ask: `db-0.${svc('db')} AAAA`,
    reply: positive(`db-0.${svc('db')}`, 'AAAA', 'fd00:1::1'),
  },
  {
    title: 'an IPv6 endpoint without host name: dashes, and a 0 behind the last',
    ask: `fd00-1--0.${svc('db')} AAAA`,
    reply: positive(`fd00-1--0.${svc('db')}`, 'AAAA', 'fd00:1::'),
  },
  { title: 'a headless service without endpoints is not there', ask: `${svc('nobody')} A`, reply: nxdomain },
  {
    title: '2.4.2: SRV of a headless service: a record per ready endpoint',
    ask: `_pg._tcp.${svc('db')} SRV`,
    reply:
      positive(
        `_pg._tcp.${svc('db')}`,
        'SRV',
        srv(25, 5432, `db-0.${svc('db')}`),
        srv(25, 5432, `10-244-1-2.${svc('db')}`),
        srv(25, 5432, `fd00-1--0.${svc('db')}`),
      ) +
      additional(
        `db-0.${svc('db')} 5 A 10.244.1.1`,
        `db-0.${svc('db')} 5 AAAA fd00:1::1`,
        `10-244-1-2.${svc('db')} 5 A 10.244.1.2`,
        `fd00-1--0.${svc('db')} 5 AAAA fd00:1::`,
      ),
  },
  {
    title: 'two endpoints with one host name: one SRV and two addresses',
    ask: `_x._tcp.${svc('twins')} SRV`,
    reply:
      positive(`_x._tcp.${svc('twins')}`, 'SRV', srv(50, 1, `twin.${svc('twins')}`)) +
      additional(`twin.${svc('twins')} 5 A 10.244.2.1`, `twin.${svc('twins')} 5 A 10.244.2.2`),
  },
  {
    title: '2.4.3: PTR of an endpoint with a host name, one per service',
    ask: '1.1.244.10.in-addr.arpa PTR',
    reply: positive('1.1.244.10.in-addr.arpa', 'PTR', `db-0.${svc('db')}`, `10-244-1-1.${svc('second')}`),
  },
  {
    title: '2.4.3: PTR of an endpoint without one',
    ask: '2.1.244.10.in-addr.arpa PTR',
    reply: positive('2.1.244.10.in-addr.arpa', 'PTR', `10-244-1-2.${svc('db')}`),
  },
  {
    title: '2.4.3: PTR of an IPv6 endpoint',
    ask: '1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa PTR',
    reply: /^0 aa; answer: \S+ 5 PTR db-0\.db\.shop\.svc\.cluster\.local$/,
  },
  {
    title: 'PTR of an address that is not ready',
    ask: '3.1.244.10.in-addr.arpa PTR',
    reply: '3 aa; authority: in-addr.arpa 5 SOA',
  },
  {
    title: 'PTR of endpoints without a service',
    ask: '1.4.244.10.in-addr.arpa PTR',
    reply: '3 aa; authority: in-addr.arpa 5 SOA',
  },
  {
    title: 'a headless service without ports answers A',
    ask: `${svc('portless')} A`,
    reply: positive(svc('portless'), 'A', '10.244.3.1'),
  },
  { title: 'a headless service without ports has no SRV', ask: `${svc('portless')} SRV`, reply: nodata },
  {
    title: '2.5.1: CNAME of an external name',
    ask: `${svc('outside')} CNAME`,
    reply: positive(svc('outside'), 'CNAME', 'www.example.org'),
  },
  {
    title: 'an external name that is in the zone is followed there',
    ask: `${svc('alias')} A`,
    reply: `0 aa; answer: ${svc('alias')} 5 CNAME ${svc('web')}, ${svc('web')} 5 A 10.96.7.1`,
  },
  { title: 'an external name that is an address is not there', ask: `${svc('address')} A`, reply: nxdomain },
  { title: 'nothing is below an external name', ask: `_http._tcp.${svc('outside')} SRV`, reply: nxdomain },
  { title: 'an unknown service', ask: `${svc('absent')} A`, reply: nxdomain },
  { title: 'an unknown endpoint', ask: `nope.${svc('web')} A`, reply: nxdomain },
  { title: 'a namespace is NODATA', ask: 'shop.svc.cluster.local A', reply: nodata },
  { title: 'a namespace without services is NODATA too', ask: 'bare.svc.cluster.local A', reply: nodata },
  { title: 'an unknown namespace', ask: 'absent.svc.cluster.local A', reply: nxdomain },
  { title: 'svc is NODATA', ask: 'svc.cluster.local A', reply: nodata },
  { title: 'svc NS is NODATA', ask: 'svc.cluster.local NS', reply: nodata },
  { title: 'pod is NODATA', ask: 'pod.cluster.local A', reply: nodata },
  { title: 'neither svc nor pod', ask: 'web.shop.foo.cluster.local A', reply: nxdomain },
  { title: 'too long', ask: `a.b.c.${svc('web')} A`, reply: nxdomain },
  { title: 'the apex', ask: 'cluster.local A', reply: nodata },
  { title: 'SOA of the apex', ask: 'cluster.local SOA', reply: '0 aa; answer: cluster.local 5 SOA' },
  {
    title: 'NS of the apex',
    ask: 'cluster.local NS',
    reply: /^0 aa; answer: cluster\.local 5 NS ns\.dns\.cluster\.local/,
  },
  { title: 'MX of a service is NODATA', ask: `${svc('web')} MX`, reply: nodata },
  {
    title: 'the case of the question counts for nothing',
    ask: `WEB.Shop.SVC.Cluster.Local A`,
    reply: /^0 aa; answer: WEB\.Shop\.SVC\.Cluster\.Local 5 A 10\.96\.7\.1$/,
  },
  { title: 'pods disabled: their names are not there', ask: '10-244-0-1.shop.pod.cluster.local A', reply: nxdomain },
  { title: 'pods disabled: nor are their namespaces', ask: 'shop.pod.cluster.local A', reply: nxdomain },
  { title: 'dual stack: AAAA', ask: `${svc('dual')} AAAA`, reply: positive(svc('dual'), 'AAAA', 'fd00:96::5') },
  {
    title: 'dual stack: SRV with half the weight and both addresses',
    ask: `_http._tcp.${svc('dual')} SRV`,
    reply:
      positive(`_http._tcp.${svc('dual')}`, 'SRV', srv(50, 80, svc('dual'))) +
      additional(`${svc('dual')} 5 A 10.96.7.5`, `${svc('dual')} 5 AAAA fd00:96::5`),
  },
]

let cluster: Cluster
const plugins = new Map<string, Promise<OpenPlugin>>()
const open = (options: string): Promise<OpenPlugin> => {
  const known = plugins.get(options) ?? cluster.open(options)
  plugins.set(options, known)
  return known
}
const check = async (options: string, { ask, reply }: Case): Promise<void> => {
  const [qname, qtype] = ask.split(' ')
  const got = await (await open(options)).ask(qname!, qtype)
  if (typeof reply === 'string') assert.equal(got, reply)
  else assert.match(got, reply)
}

before(async () => {
  cluster = await openCluster()
  await cluster.put(...OBJECTS)
})

for (const each of CASES) test(each.title, () => check('', each))

test('an external name outside is looked up, and the CNAME kept', async () => {
  const plugin = await open('')
  const found = (): Reply =>
    Reply.of({ answers: [{ name: 'www.example.org', type: 'A', ttl: 30, data: '192.0.2.7' }] }, { rcode: NOERROR })
  assert.equal(
    await plugin.ask(svc('outside'), 'A', found),
    `0 aa; answer: ${svc('outside')} 5 CNAME www.example.org, www.example.org 30 A 192.0.2.7`,
  )
  const absent = (): Reply => Reply.of({}, { rcode: NXDOMAIN })
  assert.match(await plugin.ask(svc('outside'), 'A', absent), /^3 aa; answer: outside\S+ 5 CNAME www\.example\.org$/)
})

const OPTION_CASES: readonly (Case & { readonly options: string })[] = [
  { options: 'ttl 30', title: 'ttl', ask: `${svc('web')} A`, reply: `0 aa; answer: ${svc('web')} 30 A 10.96.7.1` },
  {
    options: 'endpoint_pod_names',
    title: 'endpoint_pod_names: the pod names an endpoint without host name',
    ask: `db-1.${svc('db')} A`,
    reply: positive(`db-1.${svc('db')}`, 'A', '10.244.1.2'),
  },
  {
    options: 'endpoint_pod_names',
    title: 'endpoint_pod_names: PTR',
    ask: '2.1.244.10.in-addr.arpa PTR',
    reply: positive('2.1.244.10.in-addr.arpa', 'PTR', `db-1.${svc('db')}`),
  },
  {
    options: 'noendpoints',
    title: 'noendpoints: headless services are not there',
    ask: `${svc('db')} A`,
    reply: nxdomain,
  },
  {
    options: 'noendpoints',
    title: 'noendpoints: cluster IPs are',
    ask: `${svc('web')} A`,
    reply: positive(svc('web'), 'A', '10.96.7.1'),
  },
  {
    options: 'ignore empty_service',
    title: 'ignore empty_service: a service without endpoints is not there',
    ask: `${svc('idle')} A`,
    reply: nxdomain,
  },
  {
    options: 'ignore empty_service',
    title: 'ignore empty_service: nor its PTR',
    ask: '3.7.96.10.in-addr.arpa PTR',
    reply: '3 aa; authority: in-addr.arpa 5 SOA',
  },
  {
    options: 'ignore empty_service',
    title: 'ignore empty_service: one with endpoints is',
    ask: `${svc('web')} A`,
    reply: positive(svc('web'), 'A', '10.96.7.1'),
  },
  { options: 'namespaces bare', title: 'namespaces: others are not there', ask: `${svc('web')} A`, reply: nxdomain },
  {
    options: 'namespaces bare',
    title: 'namespaces: nor their addresses',
    ask: '1.7.96.10.in-addr.arpa PTR',
    reply: '3 aa; authority: in-addr.arpa 5 SOA',
  },
  { options: 'namespaces bare', title: 'namespaces: the one is', ask: 'bare.svc.cluster.local A', reply: nodata },
  {
    options: 'namespace_labels team=web',
    title: 'namespace_labels: one that fits',
    ask: `${svc('web')} A`,
    reply: positive(svc('web'), 'A', '10.96.7.1'),
  },
  {
    options: 'namespace_labels team=web',
    title: 'namespace_labels: one that does not',
    ask: 'bare.svc.cluster.local A',
    reply: nxdomain,
  },
  {
    options: 'labels app=none',
    title: 'labels: services without them are not there',
    ask: `${svc('web')} A`,
    reply: nxdomain,
  },
  {
    options: 'fallthrough',
    title: 'fallthrough: names that are not there',
    ask: `${svc('absent')} A`,
    reply: 'passed on',
  },
  { options: 'fallthrough', title: 'fallthrough: not NODATA', ask: `${svc('web')} AAAA`, reply: nodata },
  {
    options: 'fallthrough in-addr.arpa',
    title: 'fallthrough ZONE: inside',
    ask: '9.9.9.10.in-addr.arpa PTR',
    reply: 'passed on',
  },
  {
    options: 'fallthrough in-addr.arpa',
    title: 'fallthrough ZONE: outside',
    ask: `${svc('absent')} A`,
    reply: nxdomain,
  },
  {
    options: 'pods insecure',
    title: 'pods insecure: any address',
    ask: '192-0-2-9.shop.pod.cluster.local A',
    reply: positive('192-0-2-9.shop.pod.cluster.local', 'A', '192.0.2.9'),
  },
  {
    options: 'pods insecure',
    title: 'pods insecure: the other family',
    ask: '192-0-2-9.shop.pod.cluster.local AAAA',
    reply: nodata,
  },
  {
    options: 'pods insecure',
    title: 'pods insecure: IPv6',
    ask: '2001-db8--1.shop.pod.cluster.local AAAA',
    reply: positive('2001-db8--1.shop.pod.cluster.local', 'AAAA', '2001:db8::1'),
  },
  {
    options: 'pods insecure',
    title: 'pods insecure: no address',
    ask: '192-0-2-999.shop.pod.cluster.local A',
    reply: nxdomain,
  },
  {
    options: 'pods insecure',
    title: 'pods insecure: an unknown namespace',
    ask: '192-0-2-9.absent.pod.cluster.local A',
    reply: nxdomain,
  },
  {
    options: 'pods insecure',
    title: 'pods insecure: the namespace itself',
    ask: 'shop.pod.cluster.local A',
    reply: nodata,
  },
  {
    options: 'pods verified',
    title: 'pods verified: a pod',
    ask: '10-244-0-1.shop.pod.cluster.local A',
    reply: positive('10-244-0-1.shop.pod.cluster.local', 'A', '10.244.0.1'),
  },
  {
    options: 'pods verified',
    title: 'pods verified: its IPv6 address',
    ask: 'fd00-2--1.shop.pod.cluster.local AAAA',
    reply: positive('fd00-2--1.shop.pod.cluster.local', 'AAAA', 'fd00:2::1'),
  },
  {
    options: 'pods verified',
    title: 'pods verified: another spelling of it',
    ask: 'fd00-2-0-0-0-0-0-1.shop.pod.cluster.local AAAA',
    reply: positive('fd00-2-0-0-0-0-0-1.shop.pod.cluster.local', 'AAAA', 'fd00:2::1'),
  },
  {
    options: 'pods verified',
    title: 'pods verified: another spelling, other family',
    ask: 'fd00-2-0-0-0-0-0-1.shop.pod.cluster.local A',
    reply: nodata,
  },
  {
    options: 'pods verified',
    title: 'pods verified: another namespace',
    ask: '10-244-0-1.bare.pod.cluster.local A',
    reply: nxdomain,
  },
  {
    options: 'pods verified',
    title: 'pods verified: a pending pod counts',
    ask: '10-244-0-9.shop.pod.cluster.local A',
    reply: positive('10-244-0-9.shop.pod.cluster.local', 'A', '10.244.0.9'),
  },
  {
    options: 'pods verified',
    title: 'pods verified: one that is over does not',
    ask: '10-244-0-8.shop.pod.cluster.local A',
    reply: nxdomain,
  },
  {
    options: 'zonal',
    title: 'zonal: pin gives the endpoints of the zone',
    ask: `north.pin._zone.${svc('db')} A`,
    reply: positive(`north.pin._zone.${svc('db')}`, 'A', '10.244.1.1'),
  },
  {
    options: 'zonal',
    title: 'zonal: a zone with a dot',
    ask: `south.b.pin._zone.${svc('db')} A`,
    reply: positive(`south.b.pin._zone.${svc('db')}`, 'A', '10.244.1.2'),
  },
  {
    options: 'zonal',
    title: 'zonal: pin to a zone without endpoints is NODATA',
    ask: `west.pin._zone.${svc('db')} A`,
    reply: nodata,
  },
  {
    options: 'zonal',
    title: 'zonal: also below a part of another zone',
    ask: `a.b.pin._zone.${svc('db')} A`,
    reply: nodata,
  },
  {
    options: 'zonal',
    title: 'zonal: prefer gives all where the zone has none',
    ask: `west.prefer._zone.${svc('db')} A`,
    reply: positive(`west.prefer._zone.${svc('db')}`, 'A', '10.244.1.1', '10.244.1.2'),
  },
  {
    options: 'zonal',
    title: 'zonal: prefer, a part of another zone',
    ask: `b.prefer._zone.${svc('db')} A`,
    reply: positive(`b.prefer._zone.${svc('db')}`, 'A', '10.244.1.1', '10.244.1.2'),
  },
  {
    options: 'zonal',
    title: 'zonal: not for services with a cluster IP',
    ask: `north.pin._zone.${svc('web')} A`,
    reply: nxdomain,
  },
  {
    options: '',
    title: 'without zonal there are no such names',
    ask: `north.pin._zone.${svc('db')} A`,
    reply: nxdomain,
  },
]

for (const { options, ...each } of OPTION_CASES) test(each.title, () => check(options, each))

test('a pod comes, moves and goes', async () => {
  const plugin = await open('pods verified')
  const moving = pod('shop/moving', ['10.244.6.1'])
  await cluster.put(moving)
  await plugin.askUntil('10-244-6-1.shop.pod.cluster.local', 'A', /10\.244\.6\.1$/)
  // Two pods with one address, as on the host's network: the name stays until both are gone.
  await cluster.put(pod('shop/same', ['10.244.6.1'], { hostNetwork: true }), pod('shop/moving', ['10.244.6.2']))
  await plugin.askUntil('10-244-6-2.shop.pod.cluster.local', 'A', /10\.244\.6\.2$/)
  assert.match(await plugin.ask('10-244-6-1.shop.pod.cluster.local'), /10\.244\.6\.1$/)
  await cluster.remove(pod('shop/same', []), moving)
  await plugin.askUntil('10-244-6-1.shop.pod.cluster.local', 'A', nxdomain)
  await plugin.askUntil('10-244-6-2.shop.pod.cluster.local', 'A', nxdomain)
})
