/** The soak in short: enough rounds to fail when something is wrong each time. `npm run soak` is the long form. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { kills, reloads, zoneChanges } from './soak.ts'

describe('soak, in short', () => {
  for (const processes of [1, 2])
    test(`reloads under load, -processes ${processes}`, { timeout: 60_000 }, async () => {
      const { sent } = await reloads({ rounds: 6, processes, perSecond: 1000 })
      assert.ok(sent > 500, `only ${sent} queries`)
    })

  test('killed workers', { timeout: 60_000 }, async () => {
    const { timesMs } = await kills({ rounds: 3, processes: 2, perSecond: 200, wholeMsMax: 3000 })
    assert.equal(timesMs.length, 3)
  })

  for (const processes of [1, 2])
    test(`zone changes, -processes ${processes}`, { timeout: 60_000 }, async () => {
      const { sent } = await zoneChanges({ rounds: 6, processes, perSecond: 1000 })
      assert.ok(sent > 500, `only ${sent} queries`)
    })
})
