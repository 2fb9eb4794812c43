import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AF_INET, AF_INET6 } from '../../src/mmsg/layout.ts'
import { isWildcard, parseSocketAddress, writeSocketAddress } from '../../src/mmsg/socket-address.ts'

const interfaces = (name: string) => (name === 'eth0' ? 7 : 0)

const cases = [
  { title: 'IPv4', text: '192.0.2.255', family: 4, hex: 'c00002ff', scope: 0 },
  { title: 'IPv4 wildcard', text: '0.0.0.0', family: 4, hex: '00000000', scope: 0 },
  { title: 'IPv6 wildcard', text: '::', family: 6, hex: '00000000000000000000000000000000', scope: 0 },
  {
    title: 'IPv6 in full',
    text: '2001:db8:0:1:2:3:4:FfFe',
    family: 6,
    hex: '20010db800000001000200030004fffe',
    scope: 0,
  },
  {
    title: 'IPv6, zeros left out in the middle',
    text: '2001:db8::1',
    family: 6,
    hex: '20010db8000000000000000000000001',
    scope: 0,
  },
  {
    title: 'IPv6, zeros left out at the end',
    text: '2001:db8::',
    family: 6,
    hex: '20010db8000000000000000000000000',
    scope: 0,
  },
  { title: 'IPv4 inside IPv6', text: '::ffff:192.0.2.1', family: 6, hex: '00000000000000000000ffffc0000201', scope: 0 },
  {
    title: 'RFC 4007 11: zone by name',
    text: 'fe80::1%eth0',
    family: 6,
    hex: 'fe800000000000000000000000000001',
    scope: 7,
  },
  {
    title: 'RFC 4007 11: zone by number',
    text: 'fe80::1%12',
    family: 6,
    hex: 'fe800000000000000000000000000001',
    scope: 12,
  },
] as const

for (const { title, text, family, hex, scope } of cases) {
  test(title, () => {
    const address = parseSocketAddress(text, 53, interfaces)
    assert(address)
    assert.equal(address.family, family)
    assert.equal(Buffer.from(address.octets).toString('hex'), hex)
    assert.equal(address.scope, scope)
    assert.equal(isWildcard(address), /^0+$/.test(hex))
  })
}

for (const text of [
  '',
  'localhost',
  '1.2.3',
  '1.2.3.4.5',
  ':::',
  'fe80::1%',
  'fe80::1%eth9',
  'fe80::1%0',
  '1.2.3.4%eth0',
  '[::1]',
]) {
  test(`no address: "${text}"`, () => assert.equal(parseSocketAddress(text, 53, interfaces), undefined))
}

test('sockaddr_in and sockaddr_in6: family in host order, port and address in network order', () => {
  const view = new DataView(new ArrayBuffer(32))
  const octets = () => Buffer.from(view.buffer).toString('hex')
  const ipv6 = parseSocketAddress('fe80::1%eth0', 0x1234, interfaces)!
  assert.equal(writeSocketAddress(view, 0, ipv6), 28)
  assert.equal(view.getUint16(0, true), AF_INET6)
  assert.equal(octets().slice(4), '123400000000fe80000000000000000000000000000107000000' + '00000000')
  const ipv4 = parseSocketAddress('192.0.2.1', 53, interfaces)!
  assert.equal(writeSocketAddress(view, 0, ipv4), 16)
  assert.equal(view.getUint16(0, true), AF_INET)
  assert.equal(octets().slice(4, 32), '0035c00002010000000000000000')
})
