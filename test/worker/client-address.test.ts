import assert from 'node:assert/strict'
import { test } from 'node:test'
import { putAddress } from '../../src/worker/client-address.ts'

const good = [
  { text: '192.0.2.1', family: 4, octets: 'c0000201' },
  { text: '0.0.0.0', family: 4, octets: '00000000' },
  { text: '255.255.255.255', family: 4, octets: 'ffffffff' },
  { text: '::', family: 6, octets: '00000000000000000000000000000000' },
  { text: '::1', family: 6, octets: '00000000000000000000000000000001' },
  { text: '2001:db8::', family: 6, octets: '20010db8000000000000000000000000' },
  { text: '2001:db8::a:0:ff', family: 6, octets: '20010db8000000000000000a000000ff' },
  { text: '2001:DB8:1:2:3:4:5:6', family: 6, octets: '20010db8000100020003000400050006' },
  { text: 'fe80::1%eth0', family: 6, octets: 'fe800000000000000000000000000001' },
  { text: '::ffff:192.0.2.1', family: 4, octets: 'c0000201' },
  { text: '64:ff9b::192.0.2.1', family: 6, octets: '0064ff9b0000000000000000c0000201' },
]

for (const { text, family, octets } of good) {
  test(`${text} is family ${family}`, () => {
    const out = new Uint8Array(16)
    assert.equal(putAddress(text, out), family)
    assert.equal(Buffer.from(out.subarray(0, family === 4 ? 4 : 16)).toString('hex'), octets)
  })
}

const bad = [
  '',
  ':',
  ':::',
  '1',
  '1.2.3',
  '1.2.3.4.5',
  '1.2.3.256',
  '1..2.3',
  'example.org',
  '1:2:3:4:5:6:7',
  '1:2:3:4:5:6:7:8:9',
  '1::2::3',
  '12345::',
  '::1.2.3',
  '1:2:3:4:5:6:7:',
  '1:2:3:4:5:6:7:1.2.3.4',
  'g::',
]
for (const text of bad) test(`"${text}" is no address`, () => assert.equal(putAddress(text, new Uint8Array(16)), 0))
