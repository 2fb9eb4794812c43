import assert from 'node:assert/strict'
import test from 'node:test'
import { Registry } from 'prom-client'
import { DnsMetrics, DURATION_BOUNDS, dnsMetrics, SIZE_BOUNDS } from '../../src/observe/dns-metrics.ts'
import { uncompressedSize } from '../../src/observe/uncompressed-size.ts'
import { OCTETS_PER_CALL_NONE, octetsPerCall } from '../support/allocations.ts'
import { aClient, anOutcome, aQuery, aReply } from '../support/front.ts'

const query = aQuery({ name: 'www.example.org', type: 'A' })
const reply = aReply(query, { answers: [{ name: 'www.example.org', type: 'A', ttl: 60, data: '192.0.2.1' }] })

const lines = async (registry: Registry, name: string): Promise<string[]> =>
  (await registry.getSingleMetricAsString(name)).split('\n').filter((line) => !line.startsWith('#'))

test("buckets are CoreDNS's", () => {
  assert.deepEqual(
    DURATION_BOUNDS,
    [0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048, 4.096, 8.192],
  )
  assert.deepEqual(SIZE_BOUNDS, [0, 100, 200, 300, 400, 511, 1023, 2047, 4095, 8291, 16000, 32000, 48000, 64000])
})

test('requests are counted by server, zone, view, proto, family and type', async () => {
  const registry = new Registry()
  const metrics = new DnsMetrics(registry)
  const group = metrics.group('dns://:53', 'example.org.', '', 'errors')
  const types = [
    'A',
    'AAAA',
    'CNAME',
    'DNSKEY',
    'DS',
    'MX',
    'NSEC3',
    'NSEC',
    'NS',
    'PTR',
    'RRSIG',
    'SOA',
    'SRV',
    'TXT',
    'AXFR',
    'ANY',
  ]
  for (const type of types) metrics.count(group, aQuery({ name: 'a', type }), aClient(), anOutcome(undefined))
  for (const type of [64, 65, 251, 99, 35, 65400]) {
    metrics.count(
      group,
      aQuery({ name: 'a', type: `UNKNOWN_${type}` }),
      aClient('2001:db8::1', 1, { tcp: true }),
      anOutcome(undefined),
    )
  }
  const row = (proto: string, family: string, type: string, count: number) =>
    `coredns_dns_requests_total{server="dns://:53",zone="example.org.",view="",proto="${proto}",family="${family}",type="${type}"} ${count}`
  assert.deepEqual(
    (await lines(registry, 'coredns_dns_requests_total')).sort(),
    [
      ...types.map((type) => row('udp', '1', type, 1)),
      row('tcp', '2', 'SVCB', 1),
      row('tcp', '2', 'HTTPS', 1),
      row('tcp', '2', 'IXFR', 1),
      row('tcp', '2', 'other', 3),
    ].sort(),
  )
})

test('responses are counted by RCODE name and by who wrote them; a drop is NOERROR', async () => {
  const registry = new Registry()
  const metrics = new DnsMetrics(registry)
  const group = metrics.group('dns://:53', '.', '', 'errors')
  const count = (rcode: number, message: Uint8Array | undefined) =>
    metrics.count(group, query, aClient(), anOutcome(message, { rcode }))
  count(0, reply)
  count(3, aReply(query, {}, { rcode: 3 }))
  count(2, aReply(query, {}, { rcode: 2 }))
  count(2, aReply(query, { answers: [{ name: 'a', type: 'CNAME', ttl: 1, data: 'b' }] }, { rcode: 2 }))
  count(16, aReply(query, {}))
  count(13, aReply(query, {}))
  count(400, aReply(query, {}))
  count(-1, undefined)
  const row = (rcode: string, plugin: string) =>
    `coredns_dns_responses_total{server="dns://:53",zone=".",view="",rcode="${rcode}",plugin="${plugin}"} 1`
  assert.deepEqual(
    (await lines(registry, 'coredns_dns_responses_total')).sort(),
    [
      row('NOERROR', 'errors'),
      row('NXDOMAIN', 'errors'),
      row('SERVFAIL', ''),
      row('SERVFAIL', 'errors'),
      row('BADSIG', 'errors'),
      row('RCODE13', 'errors'),
      row('other', 'errors'),
      row('NOERROR', ''),
    ].sort(),
  )
})

test('durations and sizes fall into the bucket whose upper bound holds them', async () => {
  const registry = new Registry()
  const metrics = new DnsMetrics(registry)
  const group = metrics.group('dns://:53', '.', '', '')
  for (const seconds of [0, 0.00025, 0.0003, 8.192, 9]) {
    metrics.count(group, query, aClient(), anOutcome(reply, { seconds }))
  }
  const duration = await lines(registry, 'coredns_dns_request_duration_seconds')
  const labels = 'server="dns://:53",zone=".",view=""'
  assert.equal(duration.length, 16 + 3)
  assert.equal(duration[0], `coredns_dns_request_duration_seconds_bucket{${labels},le="0.00025"} 2`)
  assert.equal(duration[1], `coredns_dns_request_duration_seconds_bucket{${labels},le="0.0005"} 3`)
  assert.equal(duration[15], `coredns_dns_request_duration_seconds_bucket{${labels},le="8.192"} 4`)
  assert.equal(duration[16], `coredns_dns_request_duration_seconds_bucket{${labels},le="+Inf"} 5`)
  assert.match(duration[17]!, /_sum\{[^}]*\} 17\.1925/)
  assert.equal(duration[18], `coredns_dns_request_duration_seconds_count{${labels}} 5`)

  const size = await lines(registry, 'coredns_dns_request_size_bytes')
  assert.equal(size.length, 14 + 3)
  assert.equal(size[0], `coredns_dns_request_size_bytes_bucket{${labels},proto="udp",le="0"} 0`)
  assert.equal(size[1], `coredns_dns_request_size_bytes_bucket{${labels},proto="udp",le="100"} 5`)
  assert.equal(size[15], `coredns_dns_request_size_bytes_sum{${labels},proto="udp"} ${5 * query.length}`)
  const replies = await lines(registry, 'coredns_dns_response_size_bytes')
  assert.equal(replies[15], `coredns_dns_response_size_bytes_sum{${labels},proto="udp"} ${5 * reply.length}`)
})

test('DO requests; refusals of the server have zone "dropped"; what was not counted is not exported', async () => {
  const registry = new Registry()
  const metrics = new DnsMetrics(registry)
  assert.deepEqual(await lines(registry, 'coredns_dns_do_requests_total'), [])
  const signed = aQuery({ name: 'a', udpSize: 1232, dnssecOk: true })
  metrics.countDropped(1, 'dns://:53', signed, aClient(), anOutcome(aReply(signed, {}, { rcode: 5 })))
  metrics.countDropped(1, 'dns://:54', query, aClient(), anOutcome(aReply(query, {}, { rcode: 5 })))
  assert.deepEqual(await lines(registry, 'coredns_dns_do_requests_total'), [
    'coredns_dns_do_requests_total{server="dns://:53",zone="dropped",view=""} 1',
  ])
  assert.deepEqual(await lines(registry, 'coredns_dns_responses_total'), [
    'coredns_dns_responses_total{server="dns://:53",zone="dropped",view="",rcode="REFUSED",plugin=""} 1',
    'coredns_dns_responses_total{server="dns://:54",zone="dropped",view="",rcode="REFUSED",plugin=""} 1',
  ])
})

test('a group keeps its number and its counts when more groups come', async () => {
  const registry = new Registry()
  const metrics = dnsMetrics(registry)
  assert.equal(dnsMetrics(registry), metrics)
  const numbers: number[] = []
  for (let i = 0; i < 100; i++) {
    const group = metrics.group('dns://:53', `z${i}.`, '', '')
    numbers.push(group)
    metrics.count(group, query, aClient(), anOutcome(reply))
  }
  assert.deepEqual(numbers, [...Array(100).keys()])
  assert.equal(metrics.group('dns://:53', 'z7.', '', ''), 7)
  const counted = await lines(registry, 'coredns_dns_requests_total')
  assert.equal(counted.length, 100)
  for (const line of counted) assert.match(line, / 1$/)
})

test('zone names from the configuration can not break the text format', async () => {
  const registry = new Registry()
  const metrics = new DnsMetrics(registry)
  metrics.count(metrics.group('dns://:53', 'a"b\\c\n.', '', ''), query, aClient(), anOutcome(reply))
  assert.deepEqual(await lines(registry, 'coredns_dns_requests_total'), [
    'coredns_dns_requests_total{server="dns://:53",zone="a\\"b\\\\c\\n.",view="",proto="udp",family="1",type="A"} 1',
  ])
})

test('counting does not allocate', () => {
  const metrics = new DnsMetrics(new Registry())
  const group = metrics.group('dns://:53', '.', '', 'errors')
  const client = aClient()
  const outcome = anOutcome(reply, { seconds: 0.0123 })
  const perCall = octetsPerCall(() => metrics.count(group, query, client, outcome))
  assert.ok(perCall < OCTETS_PER_CALL_NONE, `${perCall} octets per query`)
})

test('the uncompressed size survives hostile messages, and never grows past names of 255 octets', () => {
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  console.log(`SEED=${seed}`)
  let state = seed
  const random = (bound: number) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    return (state >>> 8) % bound
  }
  for (let round = 0; round < 20_000; round++) {
    const length = random(200)
    const bytes = new Uint8Array(256)
    for (let i = 0; i < length; i++) bytes[i] = random(4) === 0 ? 0xc0 : random(3) === 0 ? random(40) : random(256)
    bytes[6] = 0
    bytes[8] = 0
    bytes[10] = 0
    const size = uncompressedSize(bytes, 0, length, Math.min(length, 12 + random(20)))
    assert.ok(Number.isInteger(size) && size <= length + 3 * 256 * 3 * 255, `${size}`)
  }
})
