/** The walk-through in docs/kubernetes.md has the chapters that the end-to-end test checks; `npm run e2e` runs them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CHECKS } from '../e2e/checks.ts'
import { walkThrough } from '../e2e/walk-through.ts'

test('each chapter of the walk-through has its check', () => {
  assert.deepEqual(
    walkThrough().map(({ heading }) => heading),
    Object.keys(CHECKS),
  )
})
