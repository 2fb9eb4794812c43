import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  compareNames,
  equalNames,
  expandName,
  isSubdomain,
  labelCount,
  lowerCased,
  MALFORMED,
  NAME_BAD_ESCAPE,
  NAME_EMPTY,
  NAME_EMPTY_LABEL,
  NAME_LABEL_TOO_LONG,
  NAME_RELATIVE,
  NAME_TOO_LONG,
  NameError,
  nameSize,
  nameToText,
  normalizeZone,
  scanName,
  skipName,
  textToName,
} from '../../src/wire/name.ts'
import { Random, SEED } from '../support/random.ts'

const bytes = (text: string) => Uint8Array.from(Buffer.from(text, 'latin1'))
const hex = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'))
const longLabel = 'a'.repeat(63)
/** 255 octets in wire form: three labels of 63 octets, one of 61. */
const longestName = `${longLabel}.${longLabel}.${longLabel}.${'b'.repeat(61)}.`

const texts = [
  { title: 'the root', text: '.', wire: '00', printed: '.' },
  { title: 'case is kept', text: 'WWW.Example.', wire: '03575757 074578616d706c65 00', printed: 'WWW.Example.' },
  { title: 'no final dot: absolute all the same', text: 'a.b', wire: '0161 0162 00', printed: 'a.b.' },
  {
    title: 'RFC 1035 5.1: an escaped dot is no border',
    text: 'a\\.b.c.',
    wire: '03612e62 0163 00',
    printed: 'a\\.b.c.',
  },
  { title: 'RFC 1035 5.1: \\DDD', text: '\\000\\255\\046.', wire: '0300ff2e 00', printed: '\\000\\255\\..' },
  {
    title: 'other escapes stand for the character',
    text: '\\a\\@\\ \\"x.',
    wire: '0561402022 78 00',
    printed: 'a\\@\\ \\"x.',
  },
  { title: 'beyond ASCII: UTF-8', text: 'é.', wire: '02c3a9 00', printed: '\\195\\169.' },
  { title: '__proto__ is a name', text: '__proto__.', wire: '095f5f70726f746f5f5f 00', printed: '__proto__.' },
]
for (const { title, text, wire, printed } of texts) {
  test(`text to wire and back: ${title}`, () => {
    const name = textToName(text)
    assert.deepEqual(name, hex(wire))
    assert.equal(nameToText(name, 0), printed)
    assert.deepEqual(textToName(printed), name)
  })
}

test('the longest name has 255 octets, and one more is refused', () => {
  assert.equal(textToName(longestName).length, 255)
  assert.equal(nameToText(textToName(longestName), 0), longestName)
  assert.throws(() => textToName(`b${longestName.slice(0, -1)}b.`), NameError)
  assert.equal(textToName('x.'.repeat(127)).length, 255)
})

const refused = [
  { title: 'empty', text: '', code: NAME_EMPTY },
  { title: 'empty label', text: 'a..b.', code: NAME_EMPTY_LABEL },
  { title: 'leading dot', text: '.a.', code: NAME_EMPTY_LABEL },
  { title: 'two dots', text: '..', code: NAME_EMPTY_LABEL },
  { title: '64 octets in a label', text: `${'a'.repeat(64)}.`, code: NAME_LABEL_TOO_LONG },
  { title: '64 octets in the last label', text: 'a'.repeat(64), code: NAME_LABEL_TOO_LONG },
  { title: '256 octets', text: 'x.'.repeat(128), code: NAME_TOO_LONG },
  { title: 'a label that is endless', text: 'a'.repeat(1000), code: NAME_LABEL_TOO_LONG },
  { title: 'a backslash at the end', text: 'a\\', code: NAME_BAD_ESCAPE },
  { title: '\\256', text: '\\256.', code: NAME_BAD_ESCAPE },
  { title: 'two digits', text: '\\25.', code: NAME_BAD_ESCAPE },
  { title: 'two digits at the end', text: '\\25', code: NAME_BAD_ESCAPE },
]
for (const { title, text, code } of refused) {
  test(`no name: ${title}`, () => {
    const source = bytes(text)
    assert.equal(scanName(source, 0, source.length, new Uint8Array(256), 0, new Uint8Array(1)), code)
    assert.throws(() => textToName(text), { code: 'SHOAL_NAME', name: 'NameError' })
  })
}

test('relative names are completed with the origin, or refused without', () => {
  const out = new Uint8Array(256)
  const source = bytes('www')
  assert.equal(scanName(source, 0, 3, out, 0, undefined), NAME_RELATIVE)
  const size = scanName(source, 0, 3, out, 0, textToName('example.org.'))
  assert.equal(nameToText(out, 0, 0, size), 'www.example.org.')
  assert.equal(scanName(source, 0, 3, out, 0, textToName(longestName)), NAME_TOO_LONG)
})

const malformed = [
  { title: 'nothing', octets: '', at: 0 },
  { title: 'no root', octets: '0161', at: 0 },
  { title: 'a label past the end', octets: '3f61', at: 0 },
  { title: 'half a pointer', octets: '0161 00 c0', at: 3 },
  { title: 'a pointer to itself', octets: '00 c001', at: 1 },
  { title: 'a pointer forward', octets: 'c002 00', at: 0 },
  { title: 'a pointer to the start of its own name', octets: '0161 c000', at: 0 },
  { title: 'a ring of two', octets: 'c002 c000', at: 2 },
  { title: 'label type 01', octets: '40 00', at: 0 },
  { title: 'label type 10', octets: '80 00', at: 0 },
]
for (const { title, octets, at } of malformed) {
  test(`malformed: ${title}`, () => {
    const message = hex(octets)
    assert.throws(() => nameToText(message, at), NameError)
    assert.equal(expandName(message, 0, message.length, at, new Uint8Array(256), 0), MALFORMED)
    if (!title.includes('pointer') && !title.includes('ring')) {
      assert.equal(skipName(message, at, message.length), MALFORMED)
      assert.equal(nameSize(message, at, message.length), MALFORMED)
    }
  })
}

test('pointers lead back, through other pointers too, counted from the message start', () => {
  // Two octets before the message; then 0: org. 5: example + pointer to 0; 15: pointer to 5; 17: www + pointer to 15
  const message = hex('ffff 036f726700 076578616d706c65c000 c005 03777777c00f')
  assert.equal(nameToText(message, 2 + 17, 2), 'www.example.org.')
  const out = new Uint8Array(256)
  const size = expandName(message, 2, message.length, 2 + 17, out, 0)
  assert.deepEqual(out.slice(0, size), textToName('www.example.org.'))
  assert.equal(skipName(message, 2 + 17, message.length), message.length)
  assert.equal(nameSize(message, 2 + 17, message.length), MALFORMED)
})

test('126 pointers in a row are followed, 127 are not', () => {
  const chain = (length: number) => {
    const message = new Uint8Array(1 + 2 * length)
    for (let i = 0; i < length; i++) {
      const target = i === 0 ? 0 : 2 * i - 1
      message[1 + 2 * i] = 0xc0 | (target >>> 8)
      message[2 + 2 * i] = target
    }
    return message
  }
  assert.equal(nameToText(chain(126), 251), '.')
  assert.throws(() => nameToText(chain(127), 253), NameError)
  assert.equal(expandName(chain(127), 0, 255, 253, new Uint8Array(256), 0), MALFORMED)
})

test('pointers cannot make a name of more than 255 octets', () => {
  // Each part is a label of 63 octets and a pointer to the part before.
  const parts = 5
  const message = new Uint8Array(1 + parts * 66)
  for (let i = 0; i < parts; i++) {
    const at = 1 + i * 66
    message.fill(0x61, at, at + 64)
    message[at] = 63
    const target = i === 0 ? 0 : at - 66
    message[at + 64] = 0xc0 | (target >>> 8)
    message[at + 65] = target
  }
  assert.equal(expandName(message, 0, message.length, 1 + 2 * 66, new Uint8Array(256), 0), 193)
  assert.equal(expandName(message, 0, message.length, 1 + 3 * 66, new Uint8Array(256), 0), MALFORMED)
  assert.throws(() => nameToText(message, 1 + 3 * 66), NameError)
})

test('RFC 4343: case does not matter in ASCII, and only there', () => {
  assert.ok(equalNames(textToName('WWW.example.'), 0, textToName('www.EXAMPLE.'), 0))
  assert.ok(!equalNames(textToName('www.example.'), 0, textToName('www.examples.'), 0))
  assert.ok(!equalNames(textToName('\\192.'), 0, textToName('\\224.'), 0))
  assert.ok(!equalNames(textToName('@.'), 0, textToName('`.'), 0))
  assert.ok(!equalNames(textToName('a\\.b.'), 0, textToName('a.b.'), 0))
  assert.deepEqual(lowerCased(textToName('A\\192Z.')), textToName('a\\192z.'))
})

test('RFC 4034 6.1: canonical order', () => {
  const ordered = [
    'example.',
    'a.example.',
    'yljkjljk.a.example.',
    'Z.a.example.',
    'zABC.a.EXAMPLE.',
    'z.example.',
    '\\001.z.example.',
    '*.z.example.',
    '\\200.z.example.',
  ]
  const shuffled = [...ordered].sort((a, b) => (a < b ? 1 : -1))
  assert.deepEqual(
    shuffled.sort((a, b) => compareNames(textToName(a), 0, textToName(b), 0)),
    ordered,
  )
  assert.equal(compareNames(textToName('A.b.'), 0, textToName('a.B.'), 0), 0)
})

test('subdomains end on a label border', () => {
  const below = (child: string, parent: string) => isSubdomain(textToName(child), 0, textToName(parent), 0)
  assert.ok(below('www.Example.org.', 'example.ORG.'))
  assert.ok(below('example.org.', 'example.org.'))
  assert.ok(below('example.org.', '.'))
  assert.ok(below('.', '.'))
  assert.ok(!below('.', 'org.'))
  assert.ok(!below('badexample.org.', 'example.org.'))
  assert.ok(!below('org.', 'example.org.'))
  // The parent's octets are there, but inside a label.
  assert.ok(!isSubdomain(hex('04 61016200 00'), 0, textToName('b.'), 0))
})

test('zones of the configuration have one form', () => {
  assert.equal(normalizeZone('Example.ORG'), 'example.org.')
  assert.equal(normalizeZone('.'), '.')
  assert.equal(normalizeZone('\\065\\b.c'), 'ab.c.')
  assert.throws(() => normalizeZone('a..b'), NameError)
})

test(`any labels survive print and scan, and hostile octets stay inside the buffer (SEED=${SEED})`, () => {
  const random = new Random()
  for (let round = 0; round < 2000; round++) {
    const name: number[] = []
    for (let labels = random.below(8); labels > 0; labels--) {
      const size = 1 + random.below(random.of([3, 20]))
      name.push(size, ...random.bytes(size))
    }
    name.push(0)
    const wire = Uint8Array.from(name)
    assert.equal(nameSize(wire, 0, wire.length), wire.length)
    assert.deepEqual(textToName(nameToText(wire, 0)), wire)
    assert.equal(labelCount(wire, 0), labelCount(textToName(nameToText(wire, 0)), 0))

    const hostile = random.bytes(1 + random.below(40))
    for (let i = 0; i < hostile.length; i++)
      if (random.below(3) === 0) hostile[i] = random.of([0, 1, 2, 63, 64, 0xc0, 0xff])
    const at = random.below(hostile.length)
    const out = new Uint8Array(257).fill(0xee)
    const size = expandName(hostile, 0, hostile.length, at, out, 0)
    assert.ok(size === MALFORMED || (size >= 1 && size <= 255))
    assert.equal(out[255], 0xee)
    const skipped = skipName(hostile, at, hostile.length)
    assert.ok(skipped === MALFORMED || (skipped > at && skipped <= hostile.length))
    if (size === MALFORMED) assert.throws(() => nameToText(hostile, at), NameError)
    else assert.deepEqual(textToName(nameToText(hostile, at)), out.slice(0, size))
  }
})
