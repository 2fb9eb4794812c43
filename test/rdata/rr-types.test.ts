import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RR_TABLE } from '../../src/rdata/rr-table.ts'
import {
  className,
  classNumber,
  opcodeName,
  rcodeName,
  rcodeNumber,
  typeName,
  typeNumber,
} from '../../src/rdata/rr-types.ts'

test('every row has its own number and mnemonic, in rising order', () => {
  const numbers = RR_TABLE.map(({ type }) => type)
  assert.deepEqual(
    numbers,
    [...new Set(numbers)].sort((a, b) => a - b),
  )
  assert.equal(new Set(RR_TABLE.map(({ mnemonic }) => mnemonic)).size, RR_TABLE.length)
  for (const { type, mnemonic } of RR_TABLE) {
    assert.equal(typeName(type), mnemonic)
    assert.equal(typeNumber(mnemonic.toLowerCase()), type)
    assert.equal(typeNumber(`TYPE${type}`), type)
  }
})

const types = [
  { text: 'ANY', number: 255 },
  { text: '*', number: 255 },
  { text: 'axfr', number: 252 },
  { text: 'NSAP-PTR', number: 23 },
  { text: 'type65280', number: 65280 },
  { text: 'TYPE0', number: 0 },
  { text: 'TYPE65536', number: undefined },
  { text: 'TYPE', number: undefined },
  { text: 'TYPE-1', number: undefined },
  { text: 'TYPE1e3', number: undefined },
  { text: '__proto__', number: undefined },
  { text: '', number: undefined },
]
for (const { text, number } of types) test(`RR type ${text}`, () => assert.equal(typeNumber(text), number))

test('RFC 3597 5: what has no name', () => {
  assert.equal(typeName(65280), 'TYPE65280')
  assert.equal(typeName(0), 'TYPE0')
  assert.equal(className(32), 'CLASS32')
  assert.equal(classNumber('class32'), 32)
  assert.equal(classNumber('CLASS65536'), undefined)
  assert.equal(opcodeName(15), 'OPCODE15')
  assert.equal(rcodeName(12), 'RCODE12')
})

test('classes, RCODEs and opcodes', () => {
  assert.deepEqual([1, 3, 4, 254, 255].map(className), ['IN', 'CH', 'HS', 'NONE', 'ANY'])
  assert.equal(classNumber('ch'), 3)
  assert.deepEqual([0, 1, 2, 3, 4, 5, 6, 16, 23].map(rcodeName), [
    'NOERROR',
    'FORMERR',
    'SERVFAIL',
    'NXDOMAIN',
    'NOTIMP',
    'REFUSED',
    'YXDOMAIN',
    'BADVERS',
    'BADCOOKIE',
  ])
  assert.equal(rcodeNumber('nxdomain'), 3)
  assert.equal(rcodeNumber('BADSIG'), 16)
  assert.equal(rcodeNumber('RCODE4095'), 4095)
  assert.equal(rcodeNumber('RCODE4096'), undefined)
  assert.equal(rcodeNumber('nonsense'), undefined)
  assert.deepEqual([0, 4, 5].map(opcodeName), ['QUERY', 'NOTIFY', 'UPDATE'])
})
