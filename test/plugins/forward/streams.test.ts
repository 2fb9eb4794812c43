import assert from 'node:assert/strict'
import test from 'node:test'
import { plugin } from '../../../src/plugins/forward/index.ts'
import { makeCertificates } from '../../support/certificates.ts'
import { type Asked, addressesOf, fakeReply, openFakeUpstream } from '../../support/fake-upstream.ts'
import { aChainQuery, closeAll, openHandler } from '../../support/handler.ts'

const ok = (asked: Asked): void => asked.send(fakeReply(asked.message, { addresses: ['192.0.2.1'] }))
const overTcp = (qname: string) => aChainQuery(qname, 'A', { tcp: true })

test("force_tcp and prefer_udp decide, else the client's transport", async (t) => {
  const upstream = await openFakeUpstream(ok)
  t.after(() => upstream.close())
  const cases = [
    { options: '', tcp: false, want: 'udp' },
    { options: '', tcp: true, want: 'tcp' },
    { options: 'force_tcp', tcp: false, want: 'tcp' },
    { options: 'prefer_udp', tcp: true, want: 'udp' },
    { options: 'force_tcp\nprefer_udp', tcp: false, want: 'tcp' },
  ]
  for (const { options, tcp, want } of cases) {
    const forward = await openHandler(plugin, `forward . ${upstream.address} {\n${options}\n}`)
    const reply = await forward.ask(aChainQuery('www.example.org.', 'A', { tcp }))
    assert.deepEqual(addressesOf(reply.wire), ['192.0.2.1'])
    assert.equal(upstream.asked.at(-1)!.over, want, options)
    forward.close()
  }
})

test('one connection carries many queries, answered in any order; frames may come in pieces', async (t) => {
  const waiting: Asked[] = []
  const upstream = await openFakeUpstream((asked) => {
    waiting.push(asked)
    if (waiting.length < 40) return
    for (const each of waiting.reverse()) ok(each)
    waiting.length = 0
  })
  const forward = await openHandler(plugin, `forward . ${upstream.address}`)
  t.after(() => closeAll(forward, upstream))
  for (let round = 0; round < 3; round++) {
    const replies = await Promise.all(Array.from({ length: 40 }, (_, i) => forward.ask(overTcp(`n${i}.example.org.`))))
    for (const reply of replies) assert.deepEqual(addressesOf(reply.wire), ['192.0.2.1'])
  }
  assert.equal(upstream.connections(), 1)
  const metrics = await forward.registry.metrics()
  assert.match(metrics, /coredns_proxy_conn_cache_misses_total\{[^}]*proto="tcp"\} 1\n/)
  assert.match(metrics, /coredns_proxy_conn_cache_hits_total\{[^}]*proto="tcp"\} 119\n/)
})

test('a kept connection that the upstream closed is replaced without a failure', async (t) => {
  let closeNext = false
  const upstream = await openFakeUpstream((asked) => {
    if (closeNext) {
      closeNext = false
      asked.end()
    } else ok(asked)
  })
  const forward = await openHandler(
    plugin,
    `forward . ${upstream.address} {\nmax_connect_attempts 1\nhealth_check 10s\n}`,
  )
  t.after(() => closeAll(forward, upstream))
  for (let round = 0; round < 5; round++) {
    assert.deepEqual(addressesOf((await forward.ask(overTcp('a.example.org.'))).wire), ['192.0.2.1'])
    closeNext = true
    assert.deepEqual(addressesOf((await forward.ask(overTcp('b.example.org.'))).wire), ['192.0.2.1'])
  }
  assert.match(await forward.registry.metrics(), /coredns_proxy_healthcheck_failures_total\{[^}]*\} 0/)
})

test('an upstream that only closes: two attempts, then no storm of connections', async (t) => {
  const upstream = await openFakeUpstream((asked) => asked.end())
  const forward = await openHandler(plugin, `forward . ${upstream.address} {\nmax_fails 0\n}`)
  t.after(() => closeAll(forward, upstream))
  const first = await forward.ask(overTcp('a.example.org.'))
  assert.equal(first.rcode, 2)
  assert.equal(first.cause, 'EOF')
  for (let i = 0; i < 50; i++) await forward.ask(overTcp(`n${i}.example.org.`))
  assert.ok(upstream.connections() <= 4, `${upstream.connections()} connections`)
})

test('no listener: the cause says so', async (t) => {
  const upstream = await openFakeUpstream(ok)
  await upstream.close()
  const forward = await openHandler(plugin, `forward . ${upstream.address} {\nhealth_check 10s\n}`)
  t.after(() => forward.close())
  const reply = await forward.ask(overTcp('a.example.org.'))
  assert.equal(reply.cause, `dial tcp ${upstream.address}: connect: connection refused`)
})

test('expire, max_age and max_idle_conns close connections', async (t) => {
  const upstream = await openFakeUpstream(ok)
  t.after(() => upstream.close())
  const never = await openHandler(plugin, `forward . ${upstream.address} {\nexpire 0s\n}`)
  t.after(() => never.close())
  for (let i = 0; i < 3; i++) await never.ask(overTcp('a.example.org.'))
  assert.equal(upstream.connections(), 3)
  const aged = await openHandler(plugin, `forward . ${upstream.address} {\nexpire 20ms\nmax_age 20ms\n}`)
  t.after(() => aged.close())
  await aged.ask(overTcp('a.example.org.'))
  await new Promise((resolve) => setTimeout(resolve, 40))
  await aged.ask(overTcp('a.example.org.'))
  assert.equal(upstream.connections(), 5)
})

test('source_address is where queries come from', async (t) => {
  const upstream = await openFakeUpstream(ok)
  const forward = await openHandler(
    plugin,
    `forward . ${upstream.address} {\nsource_address 127.0.0.9\nhealth_check 10s\n}`,
  )
  t.after(() => closeAll(forward, upstream))
  for (const tcp of [false, true]) {
    const reply = await forward.ask(aChainQuery('www.example.org.', 'A', { tcp }))
    assert.deepEqual(addressesOf(reply.wire), ['192.0.2.1'])
    assert.equal(upstream.asked.at(-1)!.clientAddress, '127.0.0.9')
  }
})

const certificates = makeCertificates()

test('tls://', { skip: certificates === undefined && 'no openssl command' }, async (t) => {
  const { folder, server, ca } = certificates!
  const upstream = await openFakeUpstream(ok, { tls: server })
  const picky = await openFakeUpstream(ok, { tls: { ...server, ca, requestCert: true } })
  t.after(() => closeAll(upstream, picky))
  const to = `tls://127.0.0.1:${upstream.port}`
  const cases: readonly { corefile: string; want: RegExp | undefined }[] = [
    { corefile: `forward . ${to} {\ntls ${folder}/ca.pem\n}`, want: undefined },
    { corefile: `forward . ${to} {\ntls ${folder}/ca.pem\ntls_servername dns.example.org\n}`, want: undefined },
    {
      corefile: `forward . tls://127.0.0.1%dns.example.org:${upstream.port} {\ntls ${folder}/ca.pem\n}`,
      want: undefined,
    },
    { corefile: `forward . ${to} {\ntls ca.pem\ntls_servername other.example.org\n}`, want: /other\.example\.org/ },
    { corefile: `forward . ${to}`, want: /certificate/ },
    { corefile: `forward . tls://127.0.0.1:${picky.port} {\ntls client.pem client.key ca.pem\n}`, want: undefined },
    { corefile: `forward . tls://127.0.0.1:${picky.port} {\ntls ca.pem\nread_timeout 500ms\n}`, want: /./ },
  ]
  for (const { corefile, want } of cases) {
    const forward = await openHandler(plugin, corefile, { root: folder })
    const reply = await forward.ask(aChainQuery('www.example.org.'))
    if (want === undefined) assert.deepEqual(addressesOf(reply.wire), ['192.0.2.1'], `${corefile}: ${reply.cause}`)
    else assert.match(reply.cause!, want, corefile)
    if (want === undefined) {
      await Promise.all([forward.ask(aChainQuery('a.example.org.')), forward.ask(overTcp('b.example.org.'))])
      const metrics = await forward.registry.metrics()
      assert.match(metrics, /conn_cache_misses_total\{[^}]*proto="tcp-tls"\} 1\n/)
    }
    forward.close()
  }
})
