/** Zones of imported services (KEP-1645). Runs on the API in memory and on a real one that has their definition. */
import assert from 'node:assert/strict'
import test, { before } from 'node:test'
import { type Cluster, type OpenPlugin, openCluster } from './cluster.ts'
import { namespace, service, serviceImport, slice } from './objects.ts'

const nodata = '0 aa; authority: clusterset.local 5 SOA'
const nxdomain = '3 aa; authority: clusterset.local 5 SOA'
const imported = (
  path: string,
  name: string,
  cluster: string | undefined,
  endpoints: Parameters<typeof slice>[1]['endpoints'],
) =>
  slice(path, {
    service: '',
    ports: ['http/TCP:80'],
    endpoints: endpoints ?? [],
    labels: {
      'multicluster.kubernetes.io/service-name': name,
      ...(cluster === undefined ? {} : { 'multicluster.kubernetes.io/source-cluster': cluster }),
    },
  })
const OBJECTS = [
  namespace('shop'),
  service('shop/local', { ips: ['10.96.5.1'], ports: ['http/TCP:80'] }),
  serviceImport('shop/web', ['10.120.0.1'], ['http/TCP:80']),
  serviceImport('shop/db', [], ['http/TCP:80']),
  imported('shop/db-1', 'db', 'east', [{ address: '10.250.0.1', hostname: 'db-0' }]),
  imported('shop/db-2', 'db', 'west', [{ address: '10.251.0.1', hostname: 'db-0' }]),
  imported('shop/db-3', 'db', undefined, ['10.252.0.1']),
]
const db = 'db.shop.svc.clusterset.local'
const srv = (target: string): string => `{"priority":0,"weight":50,"port":80,"target":"${target}"}`
const CASES: readonly (readonly [title: string, ask: string, reply: string])[] = [
  [
    'an imported service',
    'web.shop.svc.clusterset.local A',
    '0 aa; answer: web.shop.svc.clusterset.local 5 A 10.120.0.1',
  ],
  ['services of the cluster itself are not there', 'local.shop.svc.clusterset.local A', nxdomain],
  ['imported ones are not in the other zone', 'web.shop.svc.cluster.local A', '3 aa; authority: cluster.local 5 SOA'],
  [
    'headless: all endpoints',
    `${db} A`,
    `0 aa; answer: ${db} 5 A 10.250.0.1, ${db} 5 A 10.251.0.1, ${db} 5 A 10.252.0.1`,
  ],
  ['an endpoint has its cluster in its name', `db-0.east.${db} A`, `0 aa; answer: db-0.east.${db} 5 A 10.250.0.1`],
  ['the same host name in another cluster', `db-0.west.${db} A`, `0 aa; answer: db-0.west.${db} 5 A 10.251.0.1`],
  ['without a cluster there is no name', `db-0.${db} A`, nxdomain],
  [
    'SRV of the endpoints that have a name',
    `_http._tcp.${db} SRV`,
    `0 aa; answer: _http._tcp.${db} 5 SRV ${srv(`db-0.east.${db}`)}, _http._tcp.${db} 5 SRV ${srv(`db-0.west.${db}`)}; ` +
      `additional: db-0.east.${db} 5 A 10.250.0.1, db-0.west.${db} 5 A 10.251.0.1`,
  ],
  ['a namespace', 'shop.svc.clusterset.local A', nodata],
  [
    'addresses of imported services point nowhere',
    '1.0.120.10.in-addr.arpa PTR',
    '3 aa; authority: in-addr.arpa 5 SOA',
  ],
]

let cluster: Cluster
let plugin: OpenPlugin
before(async () => {
  cluster = await openCluster({ multicluster: true })
  await cluster.put(...OBJECTS)
  plugin = await cluster.open('multicluster clusterset.local', {
    zones: ['cluster.local', 'clusterset.local', 'in-addr.arpa'],
  })
})

for (const [title, ask, reply] of CASES) {
  test(title, async () => {
    const [qname, qtype] = ask.split(' ')
    assert.equal(await plugin.ask(qname!, qtype), reply)
  })
}

test('an import goes', async () => {
  await cluster.remove(serviceImport('shop/web', [], []))
  await plugin.askUntil('web.shop.svc.clusterset.local', 'A', nxdomain)
})
