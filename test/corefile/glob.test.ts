import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { findFiles, isGlob } from '../../src/corefile/glob.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const folder = temporaryFolder()
for (const path of ['a', 'b/c']) mkdirSync(join(folder, path), { recursive: true })
for (const path of ['a/z.conf', 'a/m.conf', 'a/.hidden', 'a/x*y', 'a/xy', 'b/m.conf', 'top', 'aab']) {
  writeFileSync(join(folder, path), '')
}
symlinkSync('/nowhere', join(folder, 'dangling'))

const cases: [pattern: string, want: string[]][] = [
  ['top', ['top']],
  ['nothing', []],
  ['nothing/at/all', []],
  ['top/below', []],
  ['a/*.conf', ['a/m.conf', 'a/z.conf']],
  ['*/m.conf', ['a/m.conf', 'b/m.conf']],
  ['a/*', ['a/.hidden', 'a/m.conf', 'a/x*y', 'a/xy', 'a/z.conf']],
  ['a/x*y', ['a/x*y', 'a/xy']],
  ['a/x\\*y', ['a/x*y']],
  ['a/?.conf', ['a/m.conf', 'a/z.conf']],
  ['a/?', []],
  ['b/*', ['b/c', 'b/m.conf']],
  ['*/*', ['a/.hidden', 'a/m.conf', 'a/x*y', 'a/xy', 'a/z.conf', 'b/c', 'b/m.conf']],
  ['a*b', ['aab']],
  ['dangling', ['dangling']],
  ['a/', ['a']],
]
for (const [pattern, want] of cases) {
  test(`${pattern} finds ${want.join(', ') || 'nothing'}`, () => {
    assert.deepEqual(
      findFiles(`${folder}/${pattern}`).map((path) => path.slice(folder.length + 1)),
      want,
    )
  })
}

test('what is a pattern', () => {
  for (const path of ['*', 'a?', 'x[', ']']) assert.ok(isGlob(path))
  for (const path of ['a', '/a/b.c', 'a\\b']) assert.ok(!isGlob(path))
})
