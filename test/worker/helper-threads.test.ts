import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { getPriority } from 'node:os'
import test from 'node:test'
import { NICENESS_BEHIND } from '../../src/niceness.ts'
import { putHelpersBehind } from '../../src/worker/helper-threads.ts'

const helpers = (): number[] =>
  readdirSync('/proc/self/task')
    .filter((id) => readFileSync(`/proc/self/task/${id}/comm`, 'latin1') === 'node-V8Worker\n')
    .map(Number)
const reason = process.platform !== 'linux' ? 'threads have no niceness of their own here' : false

test("V8's own threads stand behind the event loop, whatever its niceness", { skip: reason }, (t) => {
  const ids = helpers()
  if (ids.length === 0) return t.skip('this Node does not name its threads')
  const own = getPriority()
  putHelpersBehind()
  assert.deepEqual(
    ids.map((id) => getPriority(id)),
    ids.map(() => Math.min(own + NICENESS_BEHIND, 19)),
  )
  assert.equal(getPriority(), own)
})
