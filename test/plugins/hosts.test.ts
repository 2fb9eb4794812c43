import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import type { HostsSource } from '../../src/plugins/hosts/hosts-source.ts'
import { plugin } from '../../src/plugins/hosts/index.ts'
import { ABSENT, NODATA } from '../../src/zone/outcomes.ts'
import { parseWith } from '../support/directives.ts'
import { aQuery } from '../support/front.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { openZoneChain, shown } from '../support/zone-chain.ts'

const folder = temporaryFolder()
const file = (name: string, text: string): string => {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}
const HOSTS = `
127.0.0.1 localhost
::1 localhost            # twice
192.0.2.1 www.example.org WWW2.Example.ORG
2001:db8::1 www.example.org
192.0.2.2 *.example.com
192.0.2.3 aa.example.com
fe80::1%lo0 link.example.org
::ffff:192.0.2.4 mapped.example.org
192.0.2.5
bogus host.example.org
192.0.2.300 host.example.org
192.0.2.6 a..b ok.example.org
`
const open = async (source: string, zones = ['.']) =>
  openZoneChain(plugin, parseWith(plugin, source, { root: folder, zones }))
const soon = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5))
}

test('syntax', () => {
  file('hosts', '')
  const path = join(folder, 'hosts')
  const defaults = {
    file: '/etc/hosts',
    scope: ['.'],
    inline: [],
    ttlSeconds: 3600,
    reloadMs: 5000,
    reverse: true,
    fallthrough: [],
    fallthroughUnsupported: false,
  }
  const cases: readonly [string, unknown][] = [
    ['hosts', defaults],
    ['hosts hosts', { ...defaults, file: path }],
    ['hosts hosts example.org 10.0.0.0/8', { ...defaults, file: path, scope: ['example.org.', '10.in-addr.arpa.'] }],
    [
      'hosts {\nttl 65535\nno_reverse\nreload 0s\nfallthrough example.org\nfallthrough_unsupported\n}',
      {
        ...defaults,
        ttlSeconds: 65535,
        reverse: false,
        reloadMs: 0,
        fallthrough: ['example.org.'],
        fallthroughUnsupported: true,
      },
    ],
    [
      'hosts {\n192.0.2.1 a b\nunknown word\nfallthrough\n}',
      { ...defaults, inline: ['192.0.2.1 a b', 'unknown word'], fallthrough: ['.'] },
    ],
    [
      'hosts {\nfallthrough_unsupported\nfallthrough\n}',
      { ...defaults, fallthrough: ['.'], fallthroughUnsupported: true },
    ],
  ]
  for (const [source, want] of cases) assert.deepEqual(parseWith(plugin, source, { root: folder }), want, source)
  const warnings: string[] = []
  parseWith(plugin, 'hosts missing', { root: folder, warnings })
  parseWith(plugin, `hosts ${folder}`, { warnings })
  assert.deepEqual(warnings, [
    `1: File does not exist: ${join(folder, 'missing')}`,
    `1: Hosts file "${folder}" is a directory`,
  ])
  const errors: readonly [string, RegExp][] = [
    ['hosts\nhosts', /only be used once/],
    ['hosts {\nttl\n}', /ttl needs a time in second/],
    ['hosts {\nttl x\n}', /ttl needs a number of second/],
    ['hosts {\nttl 0\n}', /ttl provided is invalid/],
    ['hosts {\nttl 65536\n}', /ttl provided is invalid/],
    ['hosts {\nttl -1\n}', /ttl provided is invalid/],
    ['hosts {\nreload\n}', /reload needs a duration/],
    ['hosts {\nreload 1s 2s\n}', /reload needs a duration/],
    ['hosts {\nreload 5\n}', /invalid duration for reload '5'/],
    ['hosts {\nreload -1s\n}', /invalid negative duration/],
    ['hosts {\nfallthrough\n192.0.2.1 a\n}', /unknown property '192\.0\.2\.1'/],
    ['hosts {\nfallthrough_unsupported\n}', /fallthrough_unsupported requires fallthrough/],
    ['hosts {\nfallthrough\nfallthrough_unsupported x\n}', /Wrong argument count/],
  ]
  for (const [source, message] of errors)
    assert.throws(() => parseWith(plugin, source, { root: folder }), { message }, source)
})

test('addresses, names, wildcards, and what is missing', async () => {
  file('all', HOSTS)
  const chain = await open('hosts all {\n192.0.2.9 www.example.org inline.example.org\nttl 60\n}')
  const cases: readonly [string, string, string][] = [
    ['www.example.org', 'A', '0 aa; answer: www.example.org 60 A 192.0.2.1, www.example.org 60 A 192.0.2.9'],
    ['www.example.org', 'AAAA', '0 aa; answer: www.example.org 60 AAAA 2001:db8::1'],
    ['www2.EXAMPLE.org', 'A', '0 aa; answer: www2.EXAMPLE.org 60 A 192.0.2.1'],
    ['www2.example.org', 'AAAA', '0 aa'],
    ['www2.example.org', 'MX', '0 aa'],
    ['localhost', 'A', '0 aa; answer: localhost 60 A 127.0.0.1'],
    ['localhost', 'AAAA', '0 aa; answer: localhost 60 AAAA ::1'],
    ['x.example.com', 'A', '0 aa; answer: x.example.com 60 A 192.0.2.2'],
    ['aa.example.com', 'A', '0 aa; answer: aa.example.com 60 A 192.0.2.3'],
    ['x.y.example.com', 'A', 'unwritten 2'],
    ['example.com', 'A', 'unwritten 2'],
    ['link.example.org', 'AAAA', '0 aa; answer: link.example.org 60 AAAA fe80::1'],
    ['mapped.example.org', 'A', '0 aa; answer: mapped.example.org 60 A 192.0.2.4'],
    ['ok.example.org', 'A', '0 aa; answer: ok.example.org 60 A 192.0.2.6'],
    ['inline.example.org', 'A', '0 aa; answer: inline.example.org 60 A 192.0.2.9'],
    ['host.example.org', 'A', 'unwritten 2'],
    ['none.example.org', 'A', 'unwritten 2'],
    [
      '1.2.0.192.in-addr.arpa',
      'PTR',
      '0 aa; answer: 1.2.0.192.in-addr.arpa 60 PTR www.example.org, 1.2.0.192.in-addr.arpa 60 PTR www2.example.org',
    ],
    ['1.0.0.127.in-addr.arpa', 'PTR', '0 aa; answer: 1.0.0.127.in-addr.arpa 60 PTR localhost'],
    ['2.2.0.192.in-addr.arpa', 'PTR', 'passed on'],
    [
      '1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa',
      'PTR',
      '0 aa; answer: 1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa 60 PTR www.example.org',
    ],
    ['9.9.9.9.in-addr.arpa', 'PTR', 'passed on'],
    ['www.example.org', 'PTR', 'passed on'],
  ]
  for (const [name, type, want] of cases)
    assert.equal(shown(await chain.ask(aQuery({ name, type }))), want, `${name} ${type}`)
  await chain.close()
})

test('fallthrough, fallthrough_unsupported, ZONES and no_reverse', async () => {
  file('more', '192.0.2.1 www.example.org www.example.net\n')
  const through = await open('hosts more example.org {\nno_reverse\nfallthrough a.example.org\n}')
  const of = async (chain: typeof through, name: string, type = 'A') => shown(await chain.ask(aQuery({ name, type })))
  assert.equal(await of(through, 'x.a.example.org'), 'passed on')
  assert.equal(await of(through, 'x.b.example.org'), 'unwritten 2')
  assert.equal(await of(through, 'www.example.net'), 'passed on', 'outside ZONES: not even read')
  assert.equal(await of(through, 'www.example.org', 'TXT'), '0 aa')
  assert.equal(await of(through, '1.2.0.192.in-addr.arpa', 'PTR'), 'passed on')
  await through.close()
  const unsupported = await open('hosts more {\nfallthrough example.org\nfallthrough_unsupported\n}')
  assert.equal(await of(unsupported, 'www.example.org', 'TXT'), 'passed on')
  assert.equal(await of(unsupported, 'www.example.org', 'AAAA'), '0 aa')
  assert.equal(await of(unsupported, 'www.example.net', 'TXT'), '0 aa', 'not one of the fallthrough zones')
  const options = parseWith(plugin, 'hosts more {\nfallthrough example.org\nfallthrough_unsupported\n}', {
    root: folder,
  })
  const part = await plugin.front!(options, { sourceId: unsupported.sourceId, store: unsupported.store } as never)
  assert.equal(part.concerns!(aQuery({ name: 'a', type: 'TXT' })), true)
  assert.equal(part.concerns!(aQuery({ name: 'a', type: 'A' })), false)
  assert.equal(part.data!.fallsThrough!(aQuery({ name: 'a.example.org' }), ABSENT), true)
  assert.equal(part.data!.fallsThrough!(aQuery({ name: 'a.example.org' }), NODATA), false)
  assert.equal(part.data!.fallsThrough!(aQuery({ name: 'a.example.org', type: 'PTR' }), NODATA), true)
  await unsupported.close()
})

test('a changed file is read again, one that goes away leaves its names; the metrics tell', async () => {
  const path = file('reload', '192.0.2.1 www.example.org\n')
  const chain = await open('hosts reload {\n192.0.2.9 inline.example.org *.w.example.org\nreload 5ms\n}')
  const entries = async () => (await chain.registry.getSingleMetricAsString('coredns_hosts_entries')).split('\n').at(-1)
  assert.equal(await entries(), `coredns_hosts_entries{hostsfile="${path}"} 5`)
  assert.match(
    await chain.registry.getSingleMetricAsString('coredns_hosts_reload_timestamp_seconds'),
    /coredns_hosts_reload_timestamp_seconds \d{10}/,
  )
  file('reload', '192.0.2.22 www.example.org other.example.org\n')
  await soon(async () => /192\.0\.2\.22/.test(shown(await chain.ask(aQuery({ name: 'www.example.org' })))))
  assert.equal(await entries(), `coredns_hosts_entries{hostsfile="${path}"} 7`)
  rmSync(path)
  await new Promise((resolve) => setTimeout(resolve, 30))
  assert.match(shown(await chain.ask(aQuery({ name: 'other.example.org' }))), /192\.0\.2\.22/)
  assert.deepEqual(
    chain.log.lines.filter((line) => !line.startsWith('DEBUG')),
    [],
  )
  assert.equal(await (chain.part as HostsSource).look(), false)
  await chain.close()
})

test('without a file the lines of the Corefile are served', async () => {
  const chain = await open('hosts missing {\n192.0.2.9 inline.example.org\n}')
  assert.match(shown(await chain.ask(aQuery({ name: 'inline.example.org' }))), /192\.0\.2\.9/)
  await chain.close()
})

test('a large file is read in slices', async () => {
  file(
    'large',
    Array.from({ length: 50_000 }, (_, i) => `192.0.${(i >> 8) & 255}.${i & 255} h${i}.example.org`).join('\n'),
  )
  let turns = 0
  const tick = setInterval(() => turns++, 1)
  const chain = await open('hosts large {\nno_reverse\n}')
  clearInterval(tick)
  assert.match(shown(await chain.ask(aQuery({ name: 'h49999.example.org' }))), /192\.0\.195\.79/)
  assert.ok(turns > 10, `${turns} turns for others in between`)
  await chain.close()
})
