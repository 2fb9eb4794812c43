import assert from 'node:assert/strict'
import {
  compareNames,
  equalNames,
  expandName,
  isSubdomain,
  labelCount,
  lowerCased,
  MALFORMED,
  NameError,
  nameSize,
  nameToText,
  normalizeZone,
  scanName,
  skipName,
  textToName,
} from '../../../src/wire/name.ts'
import { NAME_SIZE_MAX } from '../../../src/wire/parsed-query.ts'
import { type FuzzTarget, Guarded, octets, ofHex, textOf, toHex, unlessRefused } from '../target.ts'

/** Octets that `scanName` asks for. */
const SCAN_ROOM = 256

/** The first octet says where in the rest the name starts. */
export const nameWire: FuzzTarget = {
  name: 'name-wire',
  invariant:
    'nameToText throws NameError exactly where expandName says MALFORMED, text and octets lead back to each other, and nothing is written outside',
  corpus: [
    ofHex('00 00'),
    ofHex('00 03777777076578616d706c6500'),
    ofHex('09 076578616d706c6500 03777777c000'),
    ofHex('0d 076578616d706c6500 0377777 7c000 c009'.replaceAll(' ', '')),
    ofHex(`00 3f${'61'.repeat(63)}3f${'62'.repeat(63)}3f${'63'.repeat(63)}3d${'64'.repeat(61)}00`),
    ofHex('00 04 005c2e22 01ff 00'),
  ],
  words: ['c000', 'c001', '0161', '00', '3f', '40', 'c00c'].map(ofHex),
  run(input) {
    const at = input.length === 0 ? 0 : input[0]! % Math.max(1, input.length - 1)
    const message = new Guarded(input.subarray(1))
    const { bytes, end } = message
    const from = message.at + at
    const out = new Guarded(NAME_SIZE_MAX)
    const size = expandName(bytes, message.at, end, from, out.bytes, out.at)
    out.check()
    const text = unlessRefused(() => nameToText(bytes, from, message.at, end), NameError)
    assert.equal(text === undefined, size === MALFORMED, `nameToText gives ${text}, expandName ${size}`)
    const past = skipName(bytes, from, end)
    const plain = nameSize(bytes, from, end)
    if (text === undefined) {
      assert.equal(plain, MALFORMED)
      return false
    }
    assert.ok(past > from && past <= end)
    if (plain !== MALFORMED) assert.equal(from + plain, past)
    const name = out.inner.slice(0, size)
    assert.equal(nameSize(name, 0, size), size)
    assert.equal(toHex(textToName(text)), toHex(name), text)
    assert.ok(equalNames(name, 0, lowerCased(name), 0) && compareNames(name, 0, lowerCased(name), 0) === 0)
    assert.ok(isSubdomain(name, 0, Uint8Array.of(0), 0) && labelCount(name, 0) <= 127)
    return true
  },
}

const ORIGIN = textToName('origin.example.')

export const nameText: FuzzTarget = {
  name: 'name-text',
  invariant: 'textToName throws only NameError; what it takes is printed in one form, which gives the same octets',
  corpus: [
    'www.example.',
    'www.example',
    '.',
    '*.Example.ORG.',
    'a\\.b.example.',
    '\\000\\255\\046x.',
    'münchen.example',
    `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(61)}.`,
  ].map(octets),
  words: ['.', '..', '\\', '\\.', '\\046', '\\256', '\\25', 'a'.repeat(63), '@', '"', 'ä'].map(octets),
  run(input) {
    const out = new Guarded(SCAN_ROOM)
    const scanned = scanName(input, 0, input.length, out.bytes, out.at, ORIGIN)
    out.check()
    if (scanned >= 0) assert.equal(nameSize(out.inner, 0, scanned), scanned)
    const text = textOf(input)
    const name = unlessRefused(() => textToName(text), NameError)
    const zone = unlessRefused(() => normalizeZone(text), NameError)
    assert.equal(name === undefined, zone === undefined)
    if (name === undefined || zone === undefined) return false
    assert.equal(nameSize(name, 0, name.length), name.length)
    const printed = nameToText(name, 0)
    assert.equal(toHex(textToName(printed)), toHex(name), printed)
    assert.equal(nameToText(textToName(printed), 0), printed)
    assert.equal(normalizeZone(zone), zone)
    return true
  },
}
