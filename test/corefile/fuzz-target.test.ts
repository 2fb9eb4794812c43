import assert from 'node:assert/strict'
import test from 'node:test'
import { name, run } from '../fuzz/corefile.ts'
import { printedSeed, seededRandom } from '../support/seeded-random.ts'

const SAMPLE = `(snip) {\n  log\n}\na.org, b.org:1053 10.0.0.0/15 {\n  import snip\n  cache 30 {\n    success 10 20\n  }\n  "quoted \\" word" 5m30s # comment\n  x {$A} {%B%}\n}\n`

test('the fuzz target takes random octets, and a Corefile with random octets in it', () => {
  const seed = printedSeed()
  const random = seededRandom(seed)
  assert.equal(name, 'corefile')
  for (let round = 0; round < 1500; round++) {
    const bytes = random.oneIn(2)
      ? Uint8Array.from({ length: random.below(200) }, () => random.below(256))
      : Uint8Array.from(Buffer.from(SAMPLE))
    for (let change = random.below(6); change > 0; change--) bytes[random.below(bytes.length || 1)] = random.below(128)
    try {
      run(bytes)
    } catch (error) {
      assert.fail(`SEED=${seed} ${Buffer.from(bytes).toString('base64')} ${error}`)
    }
  }
})
