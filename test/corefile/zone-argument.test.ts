import assert from 'node:assert/strict'
import test from 'node:test'
import { fallthroughZones } from '../../src/corefile/fall.ts'
import { isPreferredSyntax } from '../../src/corefile/server-keys.ts'
import { zonesOfArgument, zonesOfArguments } from '../../src/corefile/zone-argument.ts'

const args = (...texts: string[]) => texts.map((text) => ({ text }))

test('arguments are zones, with a port that is ignored; networks are reverse zones; others are dropped', () => {
  assert.deepEqual(zonesOfArguments(args('A.org', 'b.org.:54', '10.0.0.0/15', 'bad..name', 'x:', '', '.')), [
    'a.org.',
    'b.org.',
    '0.10.in-addr.arpa.',
    '1.10.in-addr.arpa.',
    '.',
  ])
  assert.deepEqual(zonesOfArgument('a'.repeat(256)), [])
})

test('fallthrough without zones is for all names', () => {
  assert.deepEqual(fallthroughZones([]), ['.'])
  assert.deepEqual(fallthroughZones(args('a.org', '192.0.2.0/24')), ['a.org.', '2.0.192.in-addr.arpa.'])
  assert.deepEqual(fallthroughZones(args('bad..name')), [])
})

test('RFC 1035 2.3.1 preferred syntax; the root and reverse zones count as well', () => {
  for (const zone of ['.', 'a.', 'a-b.c1.org.', '1.10.in-addr.arpa.', 'ip6.arpa.', '0/25.2.0.192.in-addr.arpa.'])
    assert.ok(isPreferredSyntax(zone), zone)
  for (const zone of ['_tcp.org.', '1a.org.', 'a-.org.', '-a.org.', 'a\\.b.org.', 'xin-addr.arpa.com1.9.', '}.'])
    assert.ok(!isPreferredSyntax(zone), zone)
})
