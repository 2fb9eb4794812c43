import assert from 'node:assert/strict'
import { isIP } from 'node:net'
import { test } from 'node:test'
import { addressFamily } from '../../src/wire/address.ts'
import { Random, SEED } from '../support/random.ts'

const ADDRESSES = [
  '192.0.2.1',
  '0.0.0.0',
  '255.255.255.255',
  '::',
  '::1',
  '2001:db8::1',
  '2001:db8:0:1:2:3:4:FfFe',
  '2001:db8::',
  '1:2:3:4:5:6:7::',
  '::2:3:4:5:6:7:8',
  '::ffff:192.0.2.1',
  '1:2:3:4:5:6:192.0.2.1',
  'fe80::1%eth0',
]
const OTHERS = [
  '',
  '%',
  '::%',
  'fe80::1%eth0]:53',
  '192.0.2.1%eth0',
  '192.0.2',
  '192.0.2.01',
  '/etc/resolv.conf',
  'localhost',
  '[::1]',
  ':::',
  '1::2::3',
]

for (const text of [...ADDRESSES, ...OTHERS]) {
  test(`the family of "${text}" is node:net's`, () => assert.equal(addressFamily(text), isIP(text)))
}

test(`texts that look like addresses, SEED=${SEED}`, () => {
  const random = new Random()
  for (let i = 0; i < 20_000; i++) {
    let text = random.of(ADDRESSES)
    for (let edits = random.below(4); edits > 0; edits--) {
      const at = random.below(text.length + 1)
      text =
        text.slice(0, at) +
        random.of(['', ':', '::', '.', '0', '1', 'f', '25', 'g', '%', '-', '_', '\u00e5']) +
        text.slice(at + random.below(3))
    }
    assert.equal(addressFamily(text), isIP(text), text)
  }
})
