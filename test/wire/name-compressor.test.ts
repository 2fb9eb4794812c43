import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nameToText, textToName } from '../../src/wire/name.ts'
import { NameCompressor } from '../../src/wire/name-compressor.ts'
import { Random, SEED } from '../support/random.ts'

class Message {
  readonly bytes = new Uint8Array(70_000)
  at = 12
  readonly compressor = new NameCompressor()

  put(text: string, sameCase = true): string {
    const from = this.at
    this.at = this.compressor.put(this.bytes, this.at, textToName(text), 0, sameCase)
    return `${this.at - from} ${nameToText(this.bytes, from)}`
  }
}

test('the longest known suffix becomes a pointer', () => {
  const message = new Message()
  assert.equal(message.put('www.example.org.'), '17 www.example.org.')
  assert.equal(message.put('www.example.org.'), '2 www.example.org.')
  assert.equal(message.put('mail.example.org.'), '7 mail.example.org.')
  assert.equal(message.put('org.'), '2 org.')
  assert.equal(message.put('.'), '1 .')
  assert.equal(message.put('a.mail.example.org.'), '4 a.mail.example.org.')
  assert.equal(message.put('example.'), '9 example.')
})

test('case: a name may take the case that stands there, or keep its own', () => {
  const message = new Message()
  message.put('WWW.Example.')
  assert.equal(message.put('www.example.', true), '13 www.example.')
  assert.equal(message.put('wWw.eXample.', false), '2 WWW.Example.')
})

test('reset forgets everything, and offsets count from the new start', () => {
  const message = new Message()
  message.put('example.')
  message.compressor.reset(100)
  message.at = 112
  message.put('example.')
  assert.equal(message.compressor.size, 1)
  const from = message.at
  message.at = message.compressor.put(message.bytes, message.at, textToName('example.'), 0, true)
  assert.deepEqual(message.bytes.slice(from, message.at), Uint8Array.from([0xc0, 12]))
})

test('what lies beyond 14 bits is not pointed to', () => {
  const message = new Message()
  message.at = 0x3ffe
  assert.equal(message.put('a.b.'), '5 a.b.')
  assert.equal(message.put('a.b.'), '2 a.b.')
  assert.equal(message.put('x.b.'), '5 x.b.')
  assert.equal(message.put('x.b.'), '5 x.b.')
})

test(`names come out as they went in (SEED=${SEED})`, () => {
  const random = new Random()
  const message = new Message()
  for (let i = 0; i < 3000; i++) {
    let name = ''
    for (let labels = 1 + random.below(6); labels > 0; labels--) name += `${random.of(['a', 'B', 'cc', 'dDd', 'x1'])}.`
    assert.equal(message.put(name).split(' ')[1], name)
  }
})

test('unrelated names, and names that share all but the first label: work grows with their number, not its square', () => {
  const time = (count: number, name: (i: number) => string) => {
    const names = Array.from({ length: count }, (_, i) => textToName(name(i)))
    const compressor = new NameCompressor()
    const bytes = new Uint8Array(count * 260)
    let best = Number.POSITIVE_INFINITY
    for (let round = 0; round < 5; round++) {
      const startedMs = performance.now()
      compressor.reset(0)
      let at = 12
      for (const wire of names) at = compressor.put(bytes, at, wire, 0, true)
      best = Math.min(best, performance.now() - startedMs)
      assert.ok(compressor.size <= 3072)
    }
    return best
  }
  const deep = 'a.'.repeat(100)
  for (const name of [(i: number) => `h${i}.x${i}.y${i}.`, (i: number) => `h${i}.${deep}`]) {
    time(500, name)
    const small = time(2000, name)
    const large = time(8000, name)
    // 4 times the names: a quadratic compressor would need 16 times as long. Half a millisecond is the clock's and the collector's.
    assert.ok(large < 8 * small + 0.5, `${small} ms for 2000 names, ${large} ms for 8000`)
  }
})
