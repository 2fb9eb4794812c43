import assert from 'node:assert/strict'
import test from 'node:test'
import { plugin } from '../../../src/plugins/forward/index.ts'
import { type Asked, addressesOf, fakeReply, openFakeUpstream } from '../../support/fake-upstream.ts'
import { aChainQuery, closeAll, NEXT_CAUSE, openHandler } from '../../support/handler.ts'

/** Answers with this address, and probes with nothing but a header. */
const says =
  (address: string, rcode = 0) =>
  ({ message, send }: Asked): void =>
    send(fakeReply(message, { rcode, addresses: rcode === 0 ? [address] : [] }))
const isProbe = ({ message }: Asked): boolean => message.length === 17
const queries = (asked: readonly Asked[]): Asked[] => asked.filter((each) => !isProbe(each))

test('policies: random uses all, round_robin in turn, sequential the first', async (t) => {
  const a = await openFakeUpstream(says('192.0.2.1'))
  const b = await openFakeUpstream(says('192.0.2.2'))
  const c = await openFakeUpstream(says('192.0.2.3'))
  t.after(() => closeAll(a, b, c))
  const answers = async (policy: string, count: number): Promise<string[]> => {
    const forward = await openHandler(plugin, `forward . ${a.address} ${b.address} ${c.address} {\npolicy ${policy}\n}`)
    const found: string[] = []
    for (let i = 0; i < count; i++) found.push(...addressesOf((await forward.ask(aChainQuery('example.org.'))).wire))
    forward.close()
    return found
  }
  assert.deepEqual(await answers('sequential', 4), new Array(4).fill('192.0.2.1'))
  assert.deepEqual(await answers('round_robin', 6), [
    '192.0.2.2',
    '192.0.2.3',
    '192.0.2.1',
    '192.0.2.2',
    '192.0.2.3',
    '192.0.2.1',
  ])
  assert.equal(new Set(await answers('random', 60)).size, 3)
})

test('failover tries the next upstream for these RCODEs and gives the last reply when all say so', async (t) => {
  const servfail = await openFakeUpstream(says('', 2))
  const refused = await openFakeUpstream(says('', 5))
  const good = await openFakeUpstream(says('192.0.2.1'))
  t.after(() => closeAll(servfail, refused, good))
  const cases = [
    { to: [servfail, refused, good], failover: 'failover ServFail Refused', rcode: 0 },
    { to: [servfail, refused, good], failover: '', rcode: 2 },
    { to: [good, servfail], failover: 'failover SERVFAIL', rcode: 0 },
    { to: [servfail, refused], failover: 'failover SERVFAIL REFUSED', rcode: 5 },
  ]
  for (const { to, failover, rcode } of cases) {
    const addresses = to.map(({ address }) => address).join(' ')
    const forward = await openHandler(plugin, `forward . ${addresses} {\npolicy sequential\n${failover}\n}`)
    const reply = await forward.ask(aChainQuery('example.org.'))
    assert.equal(reply.rcode, rcode)
    assert.equal(reply.unwritten, false)
    forward.close()
  }
})

test('next and next_on_nodata hand over to the next stanza, never to another plugin', async (t) => {
  const nx = await openFakeUpstream(says('', 3))
  const empty = await openFakeUpstream(({ message, send }) => send(fakeReply(message)))
  const good = await openFakeUpstream(says('192.0.2.1'))
  t.after(() => closeAll(nx, empty, good))
  const cases = [
    { corefile: `forward . ${nx.address} {\nnext NXDOMAIN\n}\nforward . ${good.address}`, want: '192.0.2.1' },
    { corefile: `forward . ${nx.address} {\nnext REFUSED\n}\nforward . ${good.address}`, want: 3 },
    { corefile: `forward . ${empty.address} {\nnext_on_nodata\n}\nforward . ${good.address}`, want: '192.0.2.1' },
    { corefile: `forward . ${empty.address}\nforward . ${good.address}`, want: 0 },
    { corefile: `forward . ${nx.address} {\nnext NXDOMAIN\n}`, want: 3 },
    // The next stanza doesn't match the name: then it is the next plugin's, as in CoreDNS.
    { corefile: `forward . ${nx.address} {\nnext NXDOMAIN\n}\nforward net ${good.address}`, want: NEXT_CAUSE },
  ]
  for (const { corefile, want } of cases) {
    const forward = await openHandler(plugin, corefile)
    const reply = await forward.ask(aChainQuery('example.org.'))
    const got = reply.cause ?? addressesOf(reply.wire)[0] ?? reply.rcode
    assert.equal(got, want, corefile)
    forward.close()
  }
})

test('a dead upstream is skipped once probes failed more than max_fails times, and used again when one is answered', async (t) => {
  let alive = false
  const flaky = await openFakeUpstream((asked) => {
    if (alive) says('192.0.2.1')(asked)
  })
  const good = await openFakeUpstream(says('192.0.2.2'))
  const forward = await openHandler(
    plugin,
    `forward . ${flaky.address} ${good.address} {\npolicy sequential\nread_timeout 30ms\nmax_fails 1\nhealth_check 50ms\n}`,
  )
  t.after(() => closeAll(forward, flaky, good))
  assert.deepEqual(addressesOf((await forward.ask(aChainQuery('example.org.'))).wire), ['192.0.2.2'])
  // Two probes, each given a second.
  await flaky.until(() => flaky.asked.filter(isProbe).length >= 3)
  const before = queries(flaky.asked).length
  for (let i = 0; i < 5; i++) await forward.ask(aChainQuery('example.org.'))
  assert.equal(queries(flaky.asked).length, before)
  const metrics = await forward.registry.metrics()
  assert.match(
    metrics,
    new RegExp(`coredns_proxy_healthcheck_failures_total\\{proxy_name="forward",to="${flaky.address}"\\} 2\n`),
  )
  assert.match(metrics, new RegExp(`coredns_forward_healthcheck_failures_total\\{to="${flaky.address}"\\} 2\n`))
  alive = true
  const probes = flaky.asked.filter(isProbe).length
  await flaky.until(() => flaky.asked.filter(isProbe).length > probes)
  await flaky.until(() => queries(flaky.asked).length === before)
  await new Promise((resolve) => setTimeout(resolve, 30))
  assert.deepEqual(addressesOf((await forward.ask(aChainQuery('example.org.'))).wire), ['192.0.2.1'])
})

test('health_check: the probe asks NS for the domain, with or without RD', async (t) => {
  const upstream = await openFakeUpstream((asked) => {
    if (asked.message[asked.message.length - 3] === 2) says('192.0.2.1')(asked)
  })
  const forward = await openHandler(
    plugin,
    `forward . ${upstream.address} {\nread_timeout 30ms\nhealth_check 1s no_rec domain Example.NET\n}`,
  )
  t.after(() => closeAll(forward, upstream))
  await forward.ask(aChainQuery('www.example.org.'))
  await upstream.until(() => upstream.asked.some(({ message }) => message[message.length - 3] === 2))
  const probe = upstream.asked.find(({ message }) => message[message.length - 3] === 2)!.message
  assert.deepEqual([...probe.subarray(2, 12)], [0, 0, 0, 1, 0, 0, 0, 0, 0, 0])
  assert.equal(probe.subarray(12).toString('latin1'), '\x07example\x03net\x00\x00\x02\x00\x01')
})

test('all upstreams down: one by chance is asked, or with failfast none', async (t) => {
  const upstream = await openFakeUpstream(() => {})
  t.after(() => upstream.close())
  for (const failfast of [false, true]) {
    const forward = await openHandler(
      plugin,
      `forward . ${upstream.address} {\nread_timeout 20ms\nmax_fails 1\nhealth_check 20ms\nmax_connect_attempts 1\n${failfast ? 'failfast_all_unhealthy_upstreams' : ''}\n}`,
    )
    upstream.asked.length = 0
    await forward.ask(aChainQuery('example.org.'))
    await upstream.until(() => upstream.asked.filter(isProbe).length >= 3)
    const before = queries(upstream.asked).length
    const reply = await forward.ask(aChainQuery('example.org.'))
    assert.equal(reply.rcode, 2)
    assert.equal(queries(upstream.asked).length - before, failfast ? 0 : 1)
    assert.match(reply.cause!, failfast ? /^no healthy proxies$/ : /i\/o timeout$/)
    assert.match(await forward.registry.metrics(), /coredns_forward_healthcheck_broken_total 1\n/)
    forward.close()
  }
})

test('max_connect_attempts bounds the attempts; 0 goes on to the deadline, without a busy loop', async (t) => {
  const upstream = await openFakeUpstream(() => {})
  const dead = await openFakeUpstream(() => {})
  await dead.close()
  t.after(() => upstream.close())
  const bounded = await openHandler(
    plugin,
    `forward . ${upstream.address} {\nread_timeout 20ms\nmax_fails 0\nmax_connect_attempts 3\n}`,
  )
  await bounded.ask(aChainQuery('example.org.'))
  assert.equal(upstream.asked.length, 3)
  bounded.close()
  const unbounded = await openHandler(plugin, `forward . ${dead.address} {\nmax_fails 0\nmax_connect_attempts 0\n}`)
  const query = aChainQuery('example.org.')
  const usedMs = process.cpuUsage()
  query.deadlineMs = performance.now() + 300
  const reply = await unbounded.ask(query)
  unbounded.close()
  assert.match(reply.cause!, /connection refused/)
  assert.ok(process.cpuUsage(usedMs).user < 250_000)
})

test('max_concurrent: one query too many is refused', async (t) => {
  const waiting: Asked[] = []
  const upstream = await openFakeUpstream((asked) => waiting.push(asked))
  const forward = await openHandler(plugin, `forward . ${upstream.address} {\nmax_concurrent 2\n}`)
  t.after(() => closeAll(forward, upstream))
  const first = forward.ask(aChainQuery('a.example.org.'))
  const second = forward.ask(aChainQuery('b.example.org.'))
  const third = await forward.ask(aChainQuery('c.example.org.'))
  assert.equal(third.unwritten, true)
  assert.equal(third.rcode, 5)
  assert.equal(third.cause, 'concurrent queries exceeded maximum 2')
  await upstream.until(() => waiting.length === 2)
  for (const asked of waiting) says('192.0.2.1')(asked)
  await Promise.all([first, second])
  assert.match(await forward.registry.metrics(), /coredns_forward_max_concurrent_rejects_total 1\n/)
  const fourth = forward.ask(aChainQuery('d.example.org.'))
  await upstream.until(() => waiting.length === 3)
  says('192.0.2.1')(waiting[2]!)
  assert.equal((await fourth).rcode, 0)
})

test('an upstream that swallows queries costs bounded memory, and another stanza nothing', async (t) => {
  const black = await openFakeUpstream(() => {})
  const good = await openFakeUpstream(says('192.0.2.1'))
  const forward = await openHandler(
    plugin,
    `forward black ${black.address} {\nread_timeout 1500ms\nmax_connect_attempts 1\n}\nforward . ${good.address}`,
  )
  t.after(() => closeAll(forward, black, good))
  const lost = Array.from({ length: 9000 }, (_, i) => forward.ask(aChainQuery(`n${i}.black.`)))
  const startedMs = performance.now()
  const reply = await forward.ask(aChainQuery('www.example.org.'))
  assert.deepEqual(addressesOf(reply.wire), ['192.0.2.1'])
  assert.ok(performance.now() - startedMs < 1400, 'it waited for the others')
  const causes = (await Promise.all(lost)).map(({ cause }) => cause!)
  assert.ok(causes.filter((cause) => cause.startsWith('more than 2048 queries wait')).length >= 6900)
})

test('metrics: request times by upstream and RCODE, under the new and the old names', async (t) => {
  const upstream = await openFakeUpstream(says('', 3))
  const forward = await openHandler(plugin, `forward . ${upstream.address}`)
  t.after(() => closeAll(forward, upstream))
  await forward.ask(aChainQuery('a.example.org.'))
  await forward.ask(aChainQuery('b.example.org.'))
  const metrics = await forward.registry.metrics()
  const to = `to="${upstream.address}"`
  const lines = [
    `coredns_proxy_request_duration_seconds_count{proxy_name="forward",${to},rcode="NXDOMAIN"} 2`,
    `coredns_proxy_request_duration_seconds_bucket{le="8.192",proxy_name="forward",${to},rcode="NXDOMAIN"} 2`,
    `coredns_proxy_request_duration_seconds_bucket{le="+Inf",proxy_name="forward",${to},rcode="NXDOMAIN"} 2`,
    `coredns_forward_request_duration_seconds_count{${to},rcode="NXDOMAIN"} 2`,
    `coredns_forward_requests_total{${to}} 2`,
    `coredns_forward_responses_total{${to},rcode="NXDOMAIN"} 2`,
    `coredns_proxy_conn_cache_misses_total{proxy_name="forward",${to},proto="udp"} 2`,
    'coredns_forward_healthcheck_broken_total 0',
  ]
  for (const line of lines) assert.ok(metrics.includes(`${line}\n`), `${line}\n\n${metrics}`)
})

test('metadata: the upstream that answered', async (t) => {
  const upstream = await openFakeUpstream(says('192.0.2.1'))
  const forward = await openHandler(plugin, `forward . ${upstream.address}`)
  t.after(() => closeAll(forward, upstream))
  const query = aChainQuery('a.example.org.')
  query.labels = new Map()
  await forward.ask(query)
  assert.equal(query.metadata('forward/upstream'), upstream.address)
})
