import assert from 'node:assert/strict'
import test from 'node:test'
import { CorefileError } from '../../../src/corefile/corefile-error.ts'
import { plugin } from '../../../src/plugins/debug/index.ts'
import { parseWith } from '../../support/directives.ts'

test('debug stands alone, as often as one likes', () => {
  assert.equal(parseWith(plugin, 'debug'), null)
  assert.equal(parseWith(plugin, 'debug\ndebug'), null)
})

for (const text of ['debug off', 'debug\ndebug on', 'debug {\nx\n}']) {
  test(`error: ${JSON.stringify(text)}`, () => assert.throws(() => parseWith(plugin, text), CorefileError))
}
