import assert from 'node:assert/strict'
import test from 'node:test'
import { HashSet } from '../../src/sources/zone-file/hash-set.ts'

test('a hash is new once', () => {
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  console.log(`SEED=${seed}`)
  const set = new HashSet()
  const known = new Set<number>()
  let state = seed
  for (let i = 0; i < 200_000; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    // Many repeats, and many hashes that fall into one table.
    const hash = i % 3 === 0 ? state : i % 3 === 1 ? state & 0xffff : state | 0xff000000
    assert.equal(set.add(hash), !known.has(hash), `hash ${hash}`)
    known.add(hash)
  }
  assert.equal(set.add(0), !known.has(0))
  assert.equal(set.add(0), false)
})
