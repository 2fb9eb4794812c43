/**
 * `npm run kube`: every test that runs on the API in memory, on a real kube-apiserver. One list: the files of test/kube that open a cluster; what only one of the
 * two can be made to do is skipped there, and says so.
 *
 * SHOAL_KUBE_FILES=names.test.ts,start.test.ts runs only these.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import test, { after, before } from 'node:test'
import { fileURLToPath } from 'node:url'
import { ControlServer } from './control.ts'
import { findPrograms } from './programs.ts'
import { RealApi } from './real-api.ts'

const FOLDER = new URL('..', import.meta.url)
const FILE_MS_MAX = 300_000
const START_MS_MAX = 2_000_000

const wanted = process.env['SHOAL_KUBE_FILES']?.split(',')
const files = readdirSync(FOLDER).filter((name) => {
  if (!name.endsWith('.test.ts') || wanted?.includes(name) === false) return false
  return readFileSync(new URL(name, FOLDER), 'utf8').includes('openCluster')
})

const programs = findPrograms()
let api: RealApi | undefined
let control: ControlServer | undefined

if (typeof programs !== 'string') {
  before(
    async () => {
      api = await RealApi.start(programs)
      control = await ControlServer.start(api)
    },
    { timeout: START_MS_MAX },
  )
  after(async () => {
    await control?.stop()
    await api?.stop()
  })
}

for (const name of files) {
  test(`${name} on a real API server`, { skip: typeof programs === 'string' && programs }, async (t) => {
    const { code, output } = await runFile(fileURLToPath(new URL(name, FOLDER)))
    const [, passed] = /^# pass (\d+)/m.exec(output) ?? []
    const [, skipped] = /^# skipped (\d+)/m.exec(output) ?? []
    t.diagnostic(`${passed} passed, ${skipped} skipped`)
    assert.equal(code, 0, `${output}\n${api!.logTails()}`)
    assert.ok(Number(passed) > 0)
  })
}

function runFile(path: string): Promise<{ readonly code: number; readonly output: string }> {
  // A test of a test would report to the runner above it.
  const { NODE_TEST_CONTEXT: _context, ...inherited } = process.env
  const flags = ['--disable-warning=ExperimentalWarning', '--test-reporter=tap', '--test-force-exit', '--test']
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [...flags, path],
      { env: { ...inherited, ...control!.environment }, maxBuffer: 1 << 26, timeout: FILE_MS_MAX },
      (_error, stdout, stderr) => resolve({ code: child.exitCode ?? -1, output: stdout + stderr }),
    )
  })
}
