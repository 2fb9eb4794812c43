import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cachedDataVersionTag } from 'node:v8'
import { keepHeapsSmall, START_MS } from '../src/small-heap.ts'

test('the flag waits for the start: until then V8 takes the compiled code that Node brings', (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] })
  const tag = cachedDataVersionTag()
  keepHeapsSmall()
  context.mock.timers.tick(START_MS - 1)
  assert.equal(cachedDataVersionTag(), tag)
  context.mock.timers.tick(1)
  assert.notEqual(cachedDataVersionTag(), tag)
})
