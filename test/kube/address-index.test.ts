import assert from 'node:assert/strict'
import test from 'node:test'
import type { ServiceState } from '../../src/sources/kubernetes/model/cluster-model.ts'
import { AddressIndex } from '../../src/sources/kubernetes/publish/address-index.ts'
import { printedSeed, seededRandom } from '../support/seeded-random.ts'

test('at random it is what a plain map is', () => {
  const random = seededRandom(printedSeed())
  const states = Array.from({ length: 30 }, (_, i) => ({ name: `s${i}` }) as ServiceState)
  const addresses = Array.from({ length: 400 }, (_, i) =>
    i % 10 === 0
      ? String.fromCharCode(...Array(15).fill(0), i & 255)
      : String.fromCharCode(10, i >> 8, i & 255, random.below(256)),
  )
  const index = new AddressIndex()
  const plain = new Map<string, Set<ServiceState>>()
  for (let step = 0; step < 30_000; step++) {
    const address = random.pick(addresses)
    const state = random.pick(states)
    const known = plain.get(address) ?? new Set()
    plain.set(address, known)
    if (random.oneIn(2)) {
      known.add(state)
      assert.equal(index.add(address, state), known.size === 1)
    } else {
      known.delete(state)
      index.remove(address, state)
    }
    const looked = random.pick(addresses)
    assert.deepEqual(new Set(index.at(looked)), plain.get(looked) ?? new Set())
  }
  index.clear()
  assert.ok(addresses.every((address) => index.at(address).length === 0))
})
