/** The table of the specification's names in the plugin's README: each row names a test that there is, and no test of a section is missing. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'

const ROOT = join(import.meta.dirname, '../..')
const README = readFileSync(join(ROOT, 'src/plugins/kubernetes/README.md'), 'utf8')
const TESTS = readFileSync(join(ROOT, 'test/kube/names.test.ts'), 'utf8')

const titles = new Set([...TESTS.matchAll(/(?:title: |test\()'([^']+)'/g)].map(([, title]) => title!))
const rows = [...README.matchAll(/^\| \d\.\d[.\d]* +\|.*\| ([^|]+?) +\|$/gm)].map(([, title]) => title!)

test('each row is a test', () => {
  assert.ok(rows.length > 20, `${rows.length} rows`)
  assert.deepEqual(
    rows.filter((title) => !titles.has(title)),
    [],
  )
})

test('each test of a section is a row', () => {
  const ofSections = [...titles].filter((title) => /^\d\./.test(title))
  assert.deepEqual(
    ofSections.filter((title) => !rows.includes(title)),
    [],
  )
})
