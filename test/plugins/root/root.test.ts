import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import test from 'node:test'
import { CorefileError } from '../../../src/corefile/corefile-error.ts'
import { plugin } from '../../../src/plugins/root/index.ts'
import { parseWith } from '../../support/directives.ts'

test('the last path counts, and words behind it do not', () => {
  assert.deepEqual(parseWith(plugin, `root /nowhere\nroot ${tmpdir()} x y`), { path: tmpdir() })
})

test('a path that is not there is a remark: it may come', () => {
  const warnings: string[] = []
  assert.deepEqual(parseWith(plugin, 'root /nowhere/at/all', { warnings }), { path: '/nowhere/at/all' })
  assert.deepEqual(warnings, ['1: Root path does not exist: /nowhere/at/all'])
})

test('error: no path', () => {
  assert.throws(() => parseWith(plugin, 'root'), CorefileError)
  assert.throws(() => parseWith(plugin, 'root\nroot /tmp'), CorefileError)
})

test('error: a path that can not be looked at', () => {
  assert.throws(
    () => parseWith(plugin, `root ${'x'.repeat(300)}`),
    (error) => error instanceof CorefileError && error.problem.startsWith('unable to access root path'),
  )
})
