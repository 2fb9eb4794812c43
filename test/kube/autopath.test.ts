/** `autopath`, with a resolv.conf and with the pods of `kubernetes`. The latter runs on the API in memory and on a real one. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { READ_CLIENT } from '../../src/chain/marks.ts'
import { NXDOMAIN, Reply, SERVFAIL } from '../../src/chain/reply.ts'
import { plugin } from '../../src/plugins/autopath/index.ts'
import { searchDomains } from '../../src/plugins/autopath/options.ts'
import { plugin as kubernetes } from '../../src/plugins/kubernetes/index.ts'
import { parseWith } from '../support/directives.ts'
import { aBlock } from '../support/front.ts'
import { aChainQuery, openHandler } from '../support/handler.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/until.ts'
import { type Lookup, openZoneChain, shown, type ZoneChain } from '../support/zone-chain.ts'
import { openCluster } from './cluster.ts'
import { namespace, pod } from './objects.ts'

const folder = temporaryFolder()
const resolvConf = join(folder, 'resolv.conf')
writeFileSync(resolvConf, 'nameserver 192.0.2.53\nsearch one.example. two.example three.example\noptions ndots:5\n')

const absent = (): Reply => Reply.of({}, { rcode: NXDOMAIN, authoritative: true })
const address = (name: string, data = '192.0.2.80'): Reply =>
  Reply.of({ answers: [{ name, type: 'A', ttl: 33, data }] })

interface Walk {
  readonly asked: string[]
  readonly reply: string
  readonly readsClient: boolean
}

/** Asks the file form; `there`: names that exist, with their replies. */
async function walk(
  qname: string,
  there: Readonly<Record<string, () => Reply>>,
  corefile = `autopath ${resolvConf}`,
): Promise<Walk> {
  const asked: string[] = []
  const solve = (name: string): Reply => {
    asked.push(name)
    return (there[name] ?? absent)()
  }
  const opened = await openHandler(plugin, corefile, { context: { lookup: async (_query, name) => solve(name) } })
  const query = aChainQuery(qname)
  const reply = await opened.ask(query, ({ qname: name }) => solve(name))
  const wire = reply.unwritten || reply.wire !== undefined ? reply : undefined
  const text = wire === undefined ? `${reply.rcode} as it was` : shown(wire)
  return { asked, reply: text, readsClient: (query.marks.reads & READ_CLIENT) !== 0 }
}

test('the first name is there: no walk', async () => {
  const { asked, readsClient } = await walk('www.one.example', { 'www.one.example.': () => address('www.one.example') })
  assert.deepEqual(asked, ['www.one.example.'])
  assert.equal(readsClient, false)
})

test('a later name is there: it comes behind a CNAME with its TTL', async () => {
  const { asked, reply } = await walk('Www.x.one.example', {
    'Www.x.three.example.': () => address('www.x.three.example'),
  })
  assert.deepEqual(asked, ['Www.x.one.example.', 'Www.x.two.example.', 'Www.x.three.example.'])
  assert.equal(reply, '0; answer: Www.x.one.example 33 CNAME www.x.three.example, www.x.three.example 33 A 192.0.2.80')
})

test('the bare name is tried last', async () => {
  const { asked, reply } = await walk('www.example.net.one.example', {
    'www.example.net.': () => address('www.example.net'),
  })
  assert.deepEqual(asked.slice(-1), ['www.example.net.'])
  assert.match(reply, /CNAME www\.example\.net, /)
})

test('none is there: the first reply as it is', async () => {
  const { asked, reply } = await walk('www.one.example', {})
  assert.equal(asked.length, 4)
  assert.equal(reply, '3 as it was')
})

test('NODATA ends the walk', async () => {
  const { asked, reply } = await walk('www.one.example', {
    'www.two.example.': () => Reply.of({}, { authoritative: true }),
  })
  assert.equal(asked.length, 2)
  assert.equal(reply, '0 aa')
})

test('an error ends the walk, a bare RCODE does not', async () => {
  const failing = await walk('www.one.example', { 'www.two.example.': () => Reply.unwritten(SERVFAIL, 'broken') })
  assert.deepEqual([failing.asked.length, failing.reply], [2, 'unwritten 2'])
  const going = await walk('www.one.example', {
    'www.two.example.': () => Reply.unwritten(SERVFAIL),
    'www.three.example.': () => address('www.three.example'),
  })
  assert.equal(going.asked.length, 3)
})

test('names that are not of the path, of another zone, or the domain itself', async () => {
  for (const [qname, corefile] of [
    ['www.two.example', undefined],
    ['one.example', undefined],
    ['xone.example', undefined],
    ['www.one.example', `autopath example.org ${resolvConf}`],
    ['www.one.example', 'autopath @kubernetes'],
  ] as const) {
    assert.equal((await walk(qname, {}, corefile)).asked.length, 1, `${qname} ${corefile}`)
  }
})

test('successes are counted', async () => {
  const opened = await openHandler(plugin, `autopath ${resolvConf}`, {
    context: { lookup: async (_query, name) => address(name.slice(0, -1)) },
  })
  await opened.ask(aChainQuery('www.one.example'), absent)
  assert.match(await opened.registry.metrics(), /coredns_autopath_success_total\{server="[^"]+"\} 1/)
})

test('which names the front leaves to the chain', async () => {
  const front = async (corefile: string, pods = 'verified') => {
    const beside = {
      name: 'kubernetes',
      options: parseWith(kubernetes, `kubernetes cluster.local {\npods ${pods}\n}`),
      sourceId: 1,
    }
    return plugin.front!(parseWith(plugin, corefile), { block: aBlock(['.'], [beside]) } as never)
  }
  const query = (name: string) => aChainQuery(name).parsed
  const file = await front(`autopath ${resolvConf}`)
  assert.equal(file.concerns!(query('www.one.example')), true)
  assert.equal(file.concerns!(query('www.two.example')), false)
  assert.equal(file.concerns!(query('one.example')), false)
  const pods = await front('autopath @kubernetes')
  assert.equal(pods.concerns!(query('www.example.org.shop.svc.cluster.local')), true)
  assert.equal(pods.concerns!(query('web.other.shop.svc.cluster.local')), true)
  assert.equal(pods.concerns!(query('web.shop.svc.cluster.local')), false)
  assert.equal(pods.concerns!(query('www.example.org')), false)
  assert.equal(
    (await front('autopath @kubernetes', 'insecure')).concerns!(query('www.example.org.shop.svc.cluster.local')),
    false,
  )
})

test('syntax', () => {
  const parse = (text: string) => parseWith(plugin, text, { zones: ['example.org.'] })
  assert.deepEqual(parse(`autopath ${resolvConf}`), {
    zones: ['example.org.'],
    plugin: undefined,
    search: ['one.example.', 'two.example.', 'three.example.'],
  })
  const { plugin: name, zones } = parse('autopath example.com @kubernetes')
  assert.deepEqual({ name, zones }, { name: 'kubernetes', zones: ['example.com.'] })
  assert.throws(() => parse('autopath'), /no resolv-conf specified/)
  assert.throws(() => parse('autopath /nowhere/resolv.conf'), /failed to parse "\/nowhere\/resolv\.conf"/)
  assert.deepEqual(searchDomains('search a.example\ndomain b.example c.example\n'), ['b.example.'])
  assert.deepEqual(searchDomains('# nothing'), [])
})

test('a plugin that knows no search paths', async () => {
  const hosts = { name: 'hosts', options: {}, sourceId: 1 }
  await assert.rejects(
    openZoneChain(plugin, parseWith(plugin, 'autopath @hosts'), absent, [hosts]),
    /hosts does not implement the AutoPather interface/,
  )
})

test('@kubernetes: the namespace is that of the pod that asks, now', async (t) => {
  const cluster = await openCluster()
  await cluster.put(namespace('path-a'), namespace('path-b'), pod('path-a/client', ['192.0.2.7']))
  const pods = await cluster.open('pods verified')
  const options = { ...parseWith(plugin, 'autopath @kubernetes'), search: [] }
  const beside = {
    name: 'kubernetes',
    options: parseWith(kubernetes, 'kubernetes cluster.local {\npods verified\n}'),
    sourceId: 1,
  }
  const chain: ZoneChain = await openZoneChain(plugin, options, absent, [beside])
  t.after(() => chain.close())
  // Every query comes from 192.0.2.7.
  const askedFor = async (qname: string): Promise<string[]> => {
    const asked: string[] = []
    const lookup: Lookup = (name) => {
      asked.push(name)
      return absent()
    }
    await chain.ask(aChainQuery(qname).parsed, lookup)
    return asked
  }
  const inA = 'www.example.org.path-a.svc.cluster.local'
  const inB = 'www.example.org.path-b.svc.cluster.local'
  const path = ['www.example.org.svc.cluster.local.', 'www.example.org.cluster.local.', 'www.example.org.']
  await until('the client is known', async () => (await askedFor(inA)).length > 0)
  assert.deepEqual(await askedFor(inA), path)
  assert.deepEqual(await askedFor(inB), [])
  // The address moves to another namespace while the old pod is still there: nobody's, for so long.
  await cluster.put(pod('path-b/client', ['192.0.2.7']))
  await until("it is nobody's", async () => (await askedFor(inA)).length === 0)
  assert.deepEqual(await askedFor(inB), [])
  await cluster.remove(pod('path-a/client', []))
  await until("it is the other's", async () => (await askedFor(inB)).length > 0)
  assert.deepEqual(await askedFor(inA), [])
  // A pod on its node's network is not told by its address.
  await cluster.remove(pod('path-b/client', []))
  await until('it is gone', async () => (await askedFor(inB)).length === 0)
  await cluster.put(pod('path-b/agent', ['192.0.2.7'], { hostNetwork: true }), pod('path-b/own', ['192.0.2.8']))
  await pods.askUntil('192-0-2-8.path-b.pod.cluster.local', 'A', /192\.0\.2\.8/)
  assert.deepEqual(await askedFor(inB), [])
  await cluster.close()
})
