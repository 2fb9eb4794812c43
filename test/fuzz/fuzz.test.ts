/** Each target for a moment, with a seed that is always the same and one that never is; and the runner, with a fault planted. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { printedSeed, seededRandom } from '../support/seeded-random.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { describeFinding } from './findings.ts'
import { minimise } from './minimise.ts'
import { inputOf } from './mutate.ts'
import { runSession } from './session.ts'
import { type FuzzTarget, Guarded, INPUTS_IN_TEST, octets, textOf, toHex } from './target.ts'
import { findTarget, TARGETS } from './targets.ts'
import { tryInput } from './try-input.ts'

const FIXED_SEED = 20_260_101
const seed = printedSeed()

for (const target of TARGETS) {
  test(`${target.name}: ${target.invariant}`, async () => {
    for (const each of [FIXED_SEED, seed]) {
      const inputsMax = target.corpus.length + (target.inputsInTest ?? INPUTS_IN_TEST)
      const { finding, accepted } = await runSession(target, { seed: each, inputsMax })
      if (finding !== undefined) assert.fail(describeFinding(target, finding, finding.input))
      assert.ok(accepted >= target.corpus.length, `${accepted} taken`)
    }
  })
}

test('targets have names of their own, and an unknown one is an error that lists them', () => {
  assert.equal(new Set(TARGETS.map(({ name }) => name)).size, TARGETS.length)
  assert.throws(() => findTarget('none'), /no target "none": there are query, /)
})

test('the input of an iteration is always the same, and no two are alike', () => {
  const target = findTarget('query')
  const inputs = Array.from({ length: 200 }, (_, i) => toHex(inputOf(target, 5, i)))
  assert.deepEqual(
    inputs,
    Array.from({ length: 200 }, (_, i) => toHex(inputOf(target, 5, i))),
  )
  assert.ok(new Set(inputs).size > 150, `${new Set(inputs).size} of 200`)
  assert.notEqual(toHex(inputOf(target, 5, 150)), toHex(inputOf(target, 6, 150)))
})

/** A parser that a pair of octets breaks, if they stand behind enough others. */
const planted = (work: (text: string) => void): FuzzTarget => ({
  name: 'planted',
  invariant: 'nothing is thrown',
  corpus: [octets('some words that are taken'), octets('and some more')],
  words: [octets('[]')],
  run(input) {
    work(textOf(input))
    return true
  },
})

test('a planted fault is found, shown with its seed, and made as small as it can be', async () => {
  const target = planted((text) => {
    if (text.includes('[]')) throw new TypeError('planted')
  })
  const { finding } = await runSession(target, { seed, inputsMax: 2000 })
  assert.ok(finding !== undefined)
  assert.match(finding.problem, /TypeError: planted/)
  assert.equal(toHex(inputOf(target, seed, finding.iteration)), toHex(finding.input))
  const smallest = await minimise(target, finding.input)
  assert.equal(textOf(smallest), '[]')
  const shown = describeFinding(target, finding, smallest)
  assert.match(shown, new RegExp(`seed ${seed}, iteration ${finding.iteration}`))
  assert.match(shown, /hex {4}5b5d\n {4}base64 W10=/)
})

test('an input that takes too long is a finding; one that was slow once is none', async () => {
  const busy = (ms: number): void => {
    const before = process.threadCpuUsage().user
    while (process.threadCpuUsage().user - before < ms * 1000);
  }
  const slow = await tryInput({ ...planted(() => busy(12)), msMax: 10 }, octets('x'))
  assert.match(slow.problem!, /1 octets took \d+ ms; at most 10 are allowed/)
  let calls = 0
  const once = { ...planted(() => busy(calls++ === 0 ? 25 : 0)), msMax: 20 }
  assert.equal((await tryInput(once, octets('x'))).problem, undefined)
  assert.ok(calls > 1)
})

test('octets written outside are found', () => {
  for (const offset of [-1, -64, 4, 67]) {
    const guarded = new Guarded(4)
    guarded.check()
    guarded.bytes[guarded.at + offset] = 0
    assert.throws(() => guarded.check(), /wrote \d+ octets (before its place|past its end)/)
  }
})

test('a refused corpus is a finding: the target would try nothing but its first line', async () => {
  const target: FuzzTarget = { ...planted(() => {}), run: () => false }
  const { finding } = await runSession(target, { seed, inputsMax: 10 })
  assert.match(finding!.problem, /refused number 0 of its own corpus/)
})

interface Run {
  readonly code: number
  readonly stdout: string
}

function fuzz(...args: string[]): Promise<Run> {
  return new Promise((resolve) => {
    const command = join(import.meta.dirname, 'run.ts')
    execFile(process.execPath, ['--disable-warning=ExperimentalWarning', command, ...args], (error, stdout) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout }),
    )
  })
}

test('the command: a clean run, a planted fault, one that never ends, and the input again', async () => {
  const folder = temporaryFolder()
  const number = String(seededRandom(seed).below(1000))
  const plantedTargets = ['--target', 'planted-fault', '--target', 'planted-hang']
  const [clean, found] = await Promise.all([
    fuzz('--target', 'edns-options', '--target', 'query', '--seconds', '0.4', '--seed', number),
    fuzz(...plantedTargets, '--seconds', '40', '--hang', '2', '--findings', folder),
  ])
  assert.equal(clean.code, 0, clean.stdout)
  assert.match(clean.stdout, new RegExp(`^seed ${number}: 2 targets, 0\\.2 s each\\n`))
  assert.match(clean.stdout, /\nquery +\d+ inputs/)
  assert.equal(found.code, 1, found.stdout)
  assert.match(found.stdout, /FINDING in planted-fault: seed \d+, iteration \d+/)
  assert.match(found.stdout, /FINDING in planted-hang: [\s\S]*kept the thread for more than 2 s/)
  const path = join(folder, readdirSync(folder).find((file) => file.startsWith('planted-fault'))!)
  assert.equal(readFileSync(path, 'utf8'), 'fault')
  const [again, unknown] = await Promise.all([
    fuzz('--target', 'planted-fault', '--input', path),
    fuzz('--target', 'none'),
  ])
  assert.equal(again.code, 1)
  assert.match(again.stdout, /FINDING in planted-fault/)
  assert.equal(unknown.code, 2)
})
