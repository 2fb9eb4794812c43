import assert from 'node:assert/strict'
import test from 'node:test'
import { cidrContains, parseCidr, parseCidrOrAddress, reverseZones } from '../../src/corefile/cidr.ts'
import { parseAddress } from '../../src/wire/address.ts'
import { printedSeed, seededRandom } from '../support/seeded-random.ts'

const zones = (text: string) => reverseZones(parseCidr(text)!)

const reverse: { title: string; text: string; want: string[] }[] = [
  { title: 'all of IPv4', text: '0.0.0.0/0', want: ['in-addr.arpa.'] },
  { title: 'an octet border', text: '10.0.0.0/8', want: ['10.in-addr.arpa.'] },
  { title: 'three octets', text: '192.0.2.0/24', want: ['2.0.192.in-addr.arpa.'] },
  { title: 'one address', text: '192.0.2.1/32', want: ['1.2.0.192.in-addr.arpa.'] },
  { title: 'one bit before the border', text: '10.0.0.0/15', want: ['0.10.in-addr.arpa.', '1.10.in-addr.arpa.'] },
  { title: 'host bits are masked off', text: '10.255.9.9/15', want: ['254.10.in-addr.arpa.', '255.10.in-addr.arpa.'] },
  { title: 'all of IPv6', text: '2000::/0', want: ['ip6.arpa.'] },
  { title: 'a nibble border', text: '2001:db8::/32', want: ['8.b.d.0.1.0.0.2.ip6.arpa.'] },
  { title: 'one IPv6 address', text: '2001:db8::1/128', want: [`1.${'0.'.repeat(23)}8.b.d.0.1.0.0.2.ip6.arpa.`] },
  {
    title: 'two bits before the nibble border',
    text: '2001:db8::/30',
    want: ['8', '9', 'a', 'b'].map((digit) => `${digit}.b.d.0.1.0.0.2.ip6.arpa.`),
  },
]
for (const { title, text, want } of reverse) test(`reverse zones: ${title}`, () => assert.deepEqual(zones(text), want))

test('reverse zones: a /25 is 128 PTR names, a /29 of IPv6 8 zones', () => {
  const half = zones('192.168.1.0/25')
  assert.equal(half.length, 128)
  assert.equal(half[127], '127.1.168.192.in-addr.arpa.')
  assert.deepEqual(zones('192.168.1.128/25')[0], '128.1.168.192.in-addr.arpa.')
  assert.equal(zones('2001:db8::/29').length, 8)
  assert.equal(zones('0.0.0.0/1').length, 128)
})

for (const text of [
  '',
  '10.0.0.0',
  '10.0.0.0/33',
  '10.0.0/8',
  '10.0.0.0/',
  '10.0.0.0/-1',
  '10.0.0.0/8/8',
  '::/129',
  'fe80::%eth0/64',
  '010.0.0.0/8',
  'a/8',
  '1.2.3.4/8x',
  `${'1'.repeat(5000)}/8`,
]) {
  test(`no network: ${text.slice(0, 30)}`, () => assert.equal(parseCidr(text), undefined))
}

test('an address alone is a network where that is asked for', () => {
  assert.deepEqual(parseCidrOrAddress('192.0.2.1'), { family: 4, octets: Uint8Array.of(192, 0, 2, 1), prefix: 32 })
  assert.equal(parseCidrOrAddress('2001:db8::1')!.prefix, 128)
  assert.equal(parseCidrOrAddress('192.0.2.0/24')!.prefix, 24)
  assert.equal(parseCidrOrAddress('fe80::1%eth0'), undefined)
  assert.equal(parseCidrOrAddress('x'), undefined)
})

const contained: [cidr: string, address: string, want: boolean][] = [
  ['10.0.0.0/8', '10.255.0.1', true],
  ['10.0.0.0/8', '11.0.0.0', false],
  ['10.0.0.0/9', '10.127.255.255', true],
  ['10.0.0.0/9', '10.128.0.0', false],
  ['0.0.0.0/0', '255.255.255.255', true],
  ['192.0.2.1/32', '192.0.2.1', true],
  ['192.0.2.1/32', '192.0.2.0', false],
  ['2001:db8::/32', '2001:db8:ffff::1', true],
  ['2001:db8::/33', '2001:db8:8000::', false],
  ['::/0', '1.2.3.4', false],
  ['0.0.0.0/0', '::1', false],
]
for (const [cidr, address, want] of contained) {
  test(`${cidr} ${want ? 'holds' : 'does not hold'} ${address}`, () => {
    const octets = new Uint8Array(16)
    assert.equal(cidrContains(parseCidr(cidr)!, parseAddress(address, octets), octets), want)
  })
}

test('the reverse zones of a network hold exactly its addresses', () => {
  const seed = printedSeed()
  const random = seededRandom(seed)
  for (let round = 0; round < 300; round++) {
    const prefix = random.below(33)
    const address = Array.from({ length: 4 }, () => random.below(256))
    const cidr = parseCidr(`${address.join('.')}/${prefix}`)!
    const all = reverseZones(cidr)
    const near = address.map((octet) => (random.oneIn(3) ? random.below(256) : octet))
    const name = `.${near.toReversed().join('.')}.in-addr.arpa.`
    assert.equal(
      all.some((zone) => name.endsWith(`.${zone}`)),
      cidrContains(cidr, 4, Uint8Array.from(near)),
      `SEED=${seed} ${address.join('.')}/${prefix} ${near.join('.')}`,
    )
    assert.equal(new Set(all).size, all.length)
  }
})
