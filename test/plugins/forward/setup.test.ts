import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { plugin } from '../../../src/plugins/forward/index.ts'
import { DEFAULTS, type Stanza, type Target } from '../../../src/plugins/forward/options.ts'
import { splitHost } from '../../../src/plugins/forward/targets.ts'
import { addressAndPort } from '../../../src/plugins/forward/upstream/upstream-address.ts'
import { parseWith } from '../../support/directives.ts'
import { fakeReply, openFakeUpstream } from '../../support/fake-upstream.ts'
import { closeAll } from '../../support/handler.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const folder = temporaryFolder()
const file = (name: string, text: string): string => {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}
const stanza = (corefile: string, warnings: string[] = []): Stanza =>
  parseWith(plugin, corefile, { root: folder, warnings }).stanzas[0]!
const shown = ({ targets }: Stanza): string[] =>
  targets.map((target: Target) => {
    if (target.kind === 'host')
      return `${target.protocol} ${target.hostName}:${target.port} ${target.serverName ?? ''}`.trim()
    const { protocol, serverName } = target.address
    return `${protocol} ${addressAndPort(target.address)} ${serverName ?? ''}`.trim()
  })

test('defaults', () => {
  const { at: _at, from, targets: _targets, ...settings } = stanza('forward . 127.0.0.1')
  assert.equal(from, '.')
  assert.deepEqual(settings, DEFAULTS)
})

const targets: readonly [string, string[]][] = [
  ['127.0.0.1', ['dns 127.0.0.1:53']],
  ['127.0.0.1:8080', ['dns 127.0.0.1:8080']],
  ['dns://127.0.0.1', ['dns 127.0.0.1:53']],
  ['::1', ['dns [::1]:53']],
  ['[::1]:5353', ['dns [::1]:5353']],
  ['[2003::1]', ['dns [2003::1]:53']],
  ['fe80::1%eth0', ['dns [fe80::1%eth0]:53']],
  ['fe80::1%', ['dns [fe80::1]:53']],
  ['tls://127.0.0.1', ['tls 127.0.0.1:853']],
  ['tls://127.0.0.1%example.net:854', ['tls 127.0.0.1:854 example.net']],
  ['tls://127.0.0.1%example.net', ['tls 127.0.0.1:853 example.net']],
  ['tls://[2400:3200::1%dns.alidns.com]:853', ['tls [2400:3200::1]:853 dns.alidns.com']],
  ['tls://fe80::1%example.com', ['tls [fe80::1]:853 example.com']],
  ['https://127.0.0.1', ['https 127.0.0.1:443']],
  ['https://127.0.0.1:8443', ['https 127.0.0.1:8443']],
  ['dns.example.org', ['dns dns.example.org:53']],
  ['dns.example.org:5353', ['dns dns.example.org:5353']],
  ['tls://dns.example.org', ['tls dns.example.org:853']],
  ['https://dns.example.org:8443', ['https dns.example.org:8443']],
  ['a27.0.0.1', ['dns a27.0.0.1:53']],
  ['192.0.2.1 tls://192.0.2.2 192.0.2.3:54', ['dns 192.0.2.1:53', 'tls 192.0.2.2:853', 'dns 192.0.2.3:54']],
]
for (const [to, want] of targets) test(`TO ${to}`, () => assert.deepEqual(shown(stanza(`forward . ${to}`)), want))

test('TO as a file in the form of resolv.conf', () => {
  const two = file(
    'two.conf',
    'search example.org\nnameserver 10.10.255.252\n nameserver\t10.10.255.253\nnameserver bad\n',
  )
  const v6 = file('v6.conf', 'nameserver 0388:d254:7aec:6892:9f7f:e93b:5806:1b0f%en0\nnameserver fe80::1%eth0\n')
  const none = file('none.conf', '# nameserver 1.1.1.1\n')
  assert.deepEqual(shown(stanza(`forward . ${two}`)), ['dns 10.10.255.252:53', 'dns 10.10.255.253:53'])
  assert.deepEqual(shown(stanza(`forward . ${v6}`)), [
    'dns [0388:d254:7aec:6892:9f7f:e93b:5806:1b0f]:53',
    'dns [fe80::1%eth0]:53',
  ])
  assert.deepEqual(shown(stanza(`forward . ${none} 127.0.0.1`)), ['dns 127.0.0.1:53'])
  assert.throws(() => stanza(`forward . ${none}`), { message: /^Corefile:1 - .*no valid upstream addresses found/ })
  assert.throws(() => stanza(`forward . ${folder}`), { message: /no valid upstream addresses found/ })
})

test('host, server name and port of a TO', () => {
  const cases: readonly [string, string, string | undefined, string | undefined][] = [
    ['127.0.0.1%example.net:854', '127.0.0.1', 'example.net', '854'],
    ['foo%bar:baz', 'foo', 'bar', 'baz'],
    ['[::1%example.net]:853', '::1', 'example.net', '853'],
    ['[::1]', '::1', undefined, undefined],
    ['2001:db8::1', '2001:db8::1', undefined, undefined],
    ['2001:db8::1%name:853', '2001:db8::1', 'name', '853'],
    ['host:1', 'host', undefined, '1'],
    ['', '', undefined, undefined],
  ]
  for (const [text, host, serverName, port] of cases)
    assert.deepEqual(splitHost(text), { host, serverName, port }, text)
})

test('FROM: zones, networks; a network off a border serves its first zone and warns', () => {
  const warnings: string[] = []
  assert.equal(stanza('forward Example.ORG 127.0.0.1').from, 'example.org.')
  assert.equal(stanza('forward example.org:53 127.0.0.1').from, 'example.org.')
  assert.equal(stanza('forward 10.0.0.0/24 127.0.0.1', warnings).from, '0.0.10.in-addr.arpa.')
  assert.deepEqual(warnings, [])
  assert.equal(stanza('forward 10.9.3.0/18 127.0.0.1', warnings).from, '0.9.10.in-addr.arpa.')
  assert.match(
    warnings[0]!,
    /^1: Unsupported CIDR notation: '10\.9\.3\.0\/18' expands to multiple zones\. Using only '0\.9\.10\.in-addr\.arpa\.'/,
  )
})

const options: readonly [string, Partial<Stanza>][] = [
  ['except miek.nl Example.org', { except: ['miek.nl.', 'example.org.'] }],
  ['except a\nexcept b', { except: ['a.', 'b.'] }],
  ['force_tcp', { forceTcp: true }],
  ['prefer_udp', { preferUdp: true }],
  ['force_tcp\nprefer_udp', { forceTcp: true, preferUdp: true }],
  ['expire 0s', { expireMs: 0 }],
  ['expire 30s', { expireMs: 30_000 }],
  ['max_age 30s', { maxAgeMs: 30_000 }],
  ['max_age 0s', { maxAgeMs: 0 }],
  ['expire 10s\nmax_age 10s', { expireMs: 10_000, maxAgeMs: 10_000 }],
  ['max_idle_conns 10', { maxIdleConnections: 10 }],
  ['max_fails 3', { maxFails: 3 }],
  ['max_fails 0', { maxFails: 0 }],
  ['max_connect_attempts 0', { maxConnectAttempts: 0 }],
  ['max_connect_attempts 5', { maxConnectAttempts: 5 }],
  ['max_concurrent 1000', { maxConcurrent: 1000 }],
  ['read_timeout 500ms', { readTimeoutMs: 500 }],
  ['health_check 0.5s', { healthCheck: { intervalMs: 500, recursionDesired: true, domain: '.' } }],
  ['health_check 0.5s no_rec', { healthCheck: { intervalMs: 500, recursionDesired: false, domain: '.' } }],
  [
    'health_check 1s no_rec domain example.org',
    { healthCheck: { intervalMs: 1000, recursionDesired: false, domain: 'example.org.' } },
  ],
  [
    'health_check 1s domain Example.org.',
    { healthCheck: { intervalMs: 1000, recursionDesired: true, domain: 'example.org.' } },
  ],
  ['health_check 1s domain .', { healthCheck: { intervalMs: 1000, recursionDesired: true, domain: '.' } }],
  ['policy sequential', { policy: 'sequential' }],
  ['policy round_robin', { policy: 'round_robin' }],
  ['doh_method GET', { dohMethod: 'GET' }],
  ['next NXDOMAIN', { next: [3] }],
  ['next nxdomain SERVFAIL\nnext REFUSED', { next: [3, 2, 5] }],
  ['next_on_nodata', { nextOnNodata: true }],
  ['failover ServFail Refused', { failover: [2, 5] }],
  ['failfast_all_unhealthy_upstreams', { failfast: true }],
  ['tls', { tls: {} }],
  ['tls_servername dns', { tlsServerName: 'dns' }],
  ['source_address 192.0.2.1', { sourceAddress: '192.0.2.1' }],
  ['source_address 2001:db8:85a3::7344', { sourceAddress: '2001:db8:85a3::7344' }],
  ['source_address ::ffff:192.0.2.1', { sourceAddress: '192.0.2.1' }],
  [
    'resolver 192.0.2.53 [2001:db8::53]:5353',
    {
      resolvers: [
        { protocol: 'dns', host: '192.0.2.53', port: 53 },
        { protocol: 'dns', host: '2001:db8::53', port: 5353 },
      ],
    },
  ],
]
for (const [block, want] of options) {
  test(`option ${JSON.stringify(block)}`, () => {
    const { at: _at, from: _from, targets: _targets, ...settings } = stanza(`forward . 127.0.0.1 {\n${block}\n}`)
    assert.deepEqual(settings, { ...DEFAULTS, ...want })
  })
}

const refused: readonly [string, RegExp][] = [
  ['forward', /Wrong argument count .*'forward'/],
  ['forward .', /Wrong argument count/],
  [`forward ${'x'.repeat(64)} 127.0.0.1`, /unable to normalize 'x{64}'/],
  ['forward . https://1.1.1.1/', /paths are not allowed in HTTPS upstream addresses/],
  ['forward . quic://1.1.1.1', /'quic' is not supported as a destination protocol in forward/],
  ['forward . unix:///tmp/x', /'unix' is not supported/],
  ['forward . tls://', /invalid address: "tls:\/\/"/],
  ['forward . 127.0.0.1:99999', /not an IP address, file, or valid domain/],
  ['forward . a..b', /not an IP address, file, or valid domain: "a\.\.b"/],
  [`forward . ${Array.from({ length: 16 }, (_, i) => `192.0.2.${i}`).join(' ')}`, /more than 15 TOs configured: 16/],
  ['forward . 127.0.0.1 {\nblaatl\n}', /^Corefile:2 - .*unknown property 'blaatl'/],
  ['forward . 127.0.0.1 {\n__proto__\n}', /unknown property '__proto__'/],
  ['forward . 127.0.0.1 {\nexcept\n}', /Wrong argument count/],
  ['forward . 127.0.0.1 {\nforce_tcp yes\n}', /Wrong argument count/],
  ['forward . 127.0.0.1 {\nexpire\n}', /Wrong argument count/],
  ['forward . 127.0.0.1 {\nexpire 5\n}', /invalid duration "5"/],
  ['forward . 127.0.0.1 {\nexpire -1s\n}', /expire can't be negative/],
  ['forward . 127.0.0.1 {\nmax_age -1s\n}', /negative/],
  ['forward . 127.0.0.1 {\nmax_age invalid\n}', /invalid/],
  ['forward . 127.0.0.1 {\nexpire 30s\nmax_age 10s\n}', /max_age \(10s\) must not be less than expire \(30s\)/],
  ['forward . 127.0.0.1 {\nmax_age 5s\n}', /max_age \(5s\) must not be less than expire \(10s\)/],
  ['forward . 127.0.0.1 {\nread_timeout 0s\n}', /must be positive/],
  ['forward . 127.0.0.1 {\nmax_idle_conns -1\n}', /can't be negative/],
  ['forward . 127.0.0.1 {\nmax_concurrent many\n}', /invalid/],
  ['forward . 127.0.0.1 {\nmax_concurrent -4\n}', /can't be negative/],
  ['forward . 127.0.0.1 {\nmax_connect_attempts many\n}', /invalid/],
  ['forward . 127.0.0.1 {\nmax_connect_attempts -4\n}', /invalid/],
  ['forward . 127.0.0.1 {\nmax_fails 99999999999\n}', /invalid/],
  ['forward . 127.0.0.1 {\nhealth_check no_rec\n}', /time: invalid duration/],
  ['forward . 127.0.0.1 {\nhealth_check domain example.org\n}', /time: invalid duration/],
  ['forward . 127.0.0.1 {\nhealth_check 0.5s rec\n}', /health_check: unknown option rec/],
  [
    'forward . 127.0.0.1 {\nhealth_check 0.5s domain\n}',
    /Wrong argument count or unexpected line ending after 'domain'/,
  ],
  ['forward . 127.0.0.1 {\nhealth_check 0.5s domain example..org\n}', /health_check: invalid domain name/],
  ['forward . 127.0.0.1 {\nhealth_check -1s\n}', /can't be negative/],
  ['forward . 127.0.0.1 {\npolicy best\n}', /unknown policy 'best'/],
  ['forward . 127.0.0.1 {\ndoh_method PUT\n}', /doh_method must be either POST or GET/],
  ['forward . 127.0.0.1 {\nnext\n}', /Wrong argument count/],
  ['forward . 127.0.0.1 {\nnext NXDOMAIN INVALID\n}', /INVALID is not a valid rcode/],
  ['forward . 127.0.0.1 {\nfailover NOERROR\n}', /NoError cannot be used in failover/],
  ['forward . 127.0.0.1 {\nfailover NOT_A_VALID_RCODE\n}', /not a valid rcode/],
  ['forward . 127.0.0.1 {\nfailfast_all_unhealthy_upstreams false\n}', /Wrong argument count/],
  ['forward . 127.0.0.1 {\nsource_address not-an-ip\n}', /invalid IP address: not-an-ip/],
  ['forward . 127.0.0.1 {\nsource_address\n}', /Wrong argument count or unexpected line ending after 'source_address'/],
  ['forward . 127.0.0.1 {\nresolver dns.example.org\n}', /resolver must be an IP address or IP:port/],
  ['forward . 127.0.0.1 {\ntls a b c d\n}', /Wrong argument count/],
  ['forward . 127.0.0.1 {\ntls nosuchfile.pem\n}', /could not read nosuchfile\.pem/],
  [
    'forward . tls://127.0.0.1%example.net:854 {\ntls_servername foo\n}',
    /both forward \('foo'\) and proxy level \('example\.net'\) TLS servernames are set for upstream proxy 'tls:\/\/127\.0\.0\.1:854'/,
  ],
]
for (const [corefile, message] of refused) {
  test(`refused: ${JSON.stringify(corefile.slice(0, 70))}`, () => assert.throws(() => stanza(corefile), { message }))
}

test('TLS files that hold no certificate are refused', () => {
  file('junk.pem', 'junk')
  assert.throws(() => stanza('forward . tls://127.0.0.1 {\ntls junk.pem\n}'), {
    message: /^Corefile:2 - .*could not use the TLS files/,
  })
  assert.throws(() => stanza('forward . tls://127.0.0.1 {\ntls junk.pem junk.pem\n}'), {
    message: /could not use the TLS files/,
  })
})

test('host names are resolved once, by the resolvers given; repeated addresses count once', async (t) => {
  const resolver = await openFakeUpstream(({ message, send }) => {
    const isA = message[message.length - 3] === 1 || message.includes(Buffer.from([0, 0, 1, 0, 1]))
    const known = message.includes('known')
    send(fakeReply(message, { rcode: known ? 0 : 3, addresses: known && isA ? ['192.0.2.1', '192.0.2.2'] : [] }))
  })
  t.after(() => closeAll(resolver))
  const prepare = async (to: string) => {
    const options = parseWith(plugin, `forward . ${to} {\nresolver ${resolver.address}\n}`)
    return shown((await plugin.prepare!(options)).stanzas[0]!)
  }
  assert.deepEqual(await prepare('192.0.2.2 known.example.org tls://known.example.org%name'), [
    'dns 192.0.2.2:53',
    'dns 192.0.2.1:53',
    'tls 192.0.2.1:853 name',
    'tls 192.0.2.2:853 name',
  ])
  await assert.rejects(prepare('other.example.org'), {
    name: 'CorefileError',
    message: /^Corefile:1 - .*failed to resolve "other\.example\.org": /,
  })
})

test('options survive a structured clone', () => {
  const parsed = parseWith(plugin, 'forward . 127.0.0.1 tls://[::1]:853 {\nnext SERVFAIL\n}')
  assert.deepEqual(structuredClone(parsed), parsed)
})
