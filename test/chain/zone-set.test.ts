import assert from 'node:assert/strict'
import test from 'node:test'
import { NOT_IN_SET, ZoneSet } from '../../src/chain/zone-set.ts'
import { OCTETS_PER_CALL_NONE, octetsPerCall } from '../support/allocations.ts'
import { aQuery } from '../support/front.ts'

test('the longest zone at or above the name is found, on label borders', () => {
  const zones = ['org.', 'Example.org.', 'a.b.example.org.', 'example.org.']
  const set = new ZoneSet(zones)
  const cases: readonly [string, number][] = [
    ['org', 0],
    ['x.org', 0],
    ['myexample.org', 0],
    ['example.org', 1],
    ['EXAMPLE.ORG', 1],
    ['b.example.org', 1],
    ['a.b.example.org', 2],
    ['x.a.b.example.org', 2],
    ['xa.b.example.org', 1],
    ['example.net', NOT_IN_SET],
    ['.', NOT_IN_SET],
  ]
  for (const [name, want] of cases) assert.equal(set.longest(aQuery({ name })), want, name)
  assert.equal(new ZoneSet(['.']).longest(aQuery({ name: 'example.net' })), 0)
  assert.equal(new ZoneSet(['.', 'net.']).longest(aQuery({ name: 'example.net' })), 1)
  assert.equal(new ZoneSet([]).holds(aQuery({ name: '.' })), false)
})

test('it agrees with a comparison of all zones', () => {
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  console.log(`SEED=${seed}`)
  let state = seed
  const random = (bound: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return (state >>> 8) % bound
  }
  const name = (labels: number) => Array.from({ length: labels }, () => 'abc'[random(3)]).join('.')
  for (let round = 0; round < 200; round++) {
    const zones = [...new Set(Array.from({ length: random(40) }, () => `${name(1 + random(5))}.`))]
    if (random(4) === 0) zones.push('.')
    const set = new ZoneSet(zones)
    for (let i = 0; i < 20; i++) {
      const qname = name(1 + random(7))
      const holding = zones.filter((zone) => zone === '.' || `.${qname}.`.endsWith(`.${zone}`))
      const longest = holding.sort((a, b) => b.length - a.length)[0]
      assert.equal(
        set.longest(aQuery({ name: qname })),
        longest === undefined ? NOT_IN_SET : zones.indexOf(longest),
        qname,
      )
    }
  }
})

test('looking does not allocate', () => {
  const set = new ZoneSet(Array.from({ length: 1000 }, (_, i) => `z${i}.example.org.`))
  const query = aQuery({ name: 'www.z77.example.org' })
  assert.equal(set.longest(query), 77)
  const perCall = octetsPerCall(() => void set.longest(query))
  assert.ok(perCall < OCTETS_PER_CALL_NONE, `${perCall} octets per look`)
})
