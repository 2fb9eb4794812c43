import assert from 'node:assert/strict'
import test from 'node:test'
import { runSession } from '../fuzz/session.ts'
import { corefile } from '../fuzz/targets/corefile.ts'
import { printedSeed } from '../support/seeded-random.ts'

test('the fuzz target takes random octets, and Corefiles with random octets in them', async () => {
  const { finding, accepted } = await runSession(corefile, { seed: printedSeed(), inputsMax: 1500 })
  assert.equal(finding, undefined)
  assert.ok(accepted > 50, `${accepted} taken`)
})
