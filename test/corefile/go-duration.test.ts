import assert from 'node:assert/strict'
import test from 'node:test'
import { parseGoDuration, parseGoDurationOrSeconds, printGoDuration } from '../../src/corefile/go-duration.ts'
import { printedSeed, seededRandom } from '../support/seeded-random.ts'

const parsed: [text: string, ms: number | undefined][] = [
  ['0', 0],
  ['+0', 0],
  ['-0', 0],
  ['5s', 5000],
  ['1h', 3_600_000],
  ['1h30m', 5_400_000],
  ['1m0.5s', 60_500],
  ['.5s', 500],
  ['5.s', 5000],
  ['100ms', 100],
  ['10us', 0.01],
  ['10µs', 0.01],
  ['10μs', 0.01],
  ['1ns', 1e-6],
  ['-1.5h', -5_400_000],
  ['+3s', 3000],
  ['1s1h', 3_601_000],
  ['0s', 0],
  ['-0s', 0],
  ['2562047h', 2_562_047 * 3_600_000],
  ['', undefined],
  ['5', undefined],
  ['s', undefined],
  ['.s', undefined],
  ['-', undefined],
  ['+', undefined],
  ['1d', undefined],
  ['1S', undefined],
  ['1 s', undefined],
  [' 1s', undefined],
  ['1s ', undefined],
  ['1e3s', undefined],
  ['--1s', undefined],
  ['1.2.3s', undefined],
  ['3000000h', undefined],
  ['1'.repeat(1000), undefined],
  ['__proto__', undefined],
  ['1constructor', undefined],
]
for (const [text, ms] of parsed) {
  test(`parse ${JSON.stringify(text.slice(0, 20))}`, () => {
    const found = parseGoDuration(text)
    if (ms === undefined || found === undefined) assert.equal(found, ms)
    else assert.ok(Math.abs(found - ms) <= Math.abs(ms) * 1e-12, `${found}`)
    assert.ok(!Object.is(found, -0))
  })
}

const printed: [ms: number, text: string][] = [
  [0, '0s'],
  [1e-6, '1ns'],
  [0.0015, '1.5µs'],
  [2, '2ms'],
  [1.5, '1.5ms'],
  [1500, '1.5s'],
  [5000, '5s'],
  [60_000, '1m0s'],
  [300_000, '5m0s'],
  [90_500, '1m30.5s'],
  [3_600_000, '1h0m0s'],
  [90_000_000, '25h0m0s'],
  [-1500, '-1.5s'],
]
for (const [ms, text] of printed) test(`print ${ms} as ${text}`, () => assert.equal(printGoDuration(ms), text))

test('a bare number counts seconds only where that is asked for', () => {
  assert.equal(parseGoDurationOrSeconds('5'), 5000)
  assert.equal(parseGoDurationOrSeconds('0'), 0)
  assert.equal(parseGoDurationOrSeconds('5s'), 5000)
  assert.equal(parseGoDurationOrSeconds('-5'), undefined)
  assert.equal(parseGoDurationOrSeconds('5x'), undefined)
})

test('print, then parse gives the same duration', () => {
  const seed = printedSeed()
  const random = seededRandom(seed)
  for (let round = 0; round < 2000; round++) {
    const ms = random.below(10 ** random.below(11)) / 1000
    assert.equal(parseGoDuration(printGoDuration(ms)), ms, `SEED=${seed} ${ms}`)
  }
})
