/**
 * Tries the parsers with hostile input: `npm run fuzz -- --seconds 60`. Exits 1 on a finding.
 *
 *   --seconds N      for all targets together, 60 by default
 *   --target NAME    only this one; may be given again
 *   --seed N         instead of a random one
 *   --input FILE     one input, as a finding left it, for the one --target
 *   --findings DIR   where inputs of findings go, test/fuzz/findings by default
 *   --hang N         seconds after which an input is taken to never end, 15 by default
 *   --list           the targets and what must hold for each
 */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { describeFinding, FINDINGS_FOLDER, saveFinding } from './findings.ts'
import { minimise } from './minimise.ts'
import type { FuzzTarget } from './target.ts'
import { findTarget, TARGETS } from './targets.ts'
import { tryInput } from './try-input.ts'
import { runWatched } from './watched-session.ts'

const EXIT_FINDING = 1
const EXIT_USAGE = 2

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    target: { type: 'string', multiple: true, default: [] },
    seed: { type: 'string' },
    input: { type: 'string' },
    findings: { type: 'string', default: FINDINGS_FOLDER },
    hang: { type: 'string', default: '15' },
    list: { type: 'boolean', default: false },
  },
})

function fail(problem: string): never {
  console.error(`fuzz: ${problem}`)
  process.exit(EXIT_USAGE)
}

function numberOf(text: string, option: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value) || value < 0) fail(`--${option} takes a number, not "${text}"`)
  return value
}

function chosen(names: readonly string[]): readonly FuzzTarget[] {
  try {
    return names.length === 0 ? TARGETS : names.map(findTarget)
  } catch (error) {
    return fail((error as Error).message)
  }
}

/** One input again. Returns whether it is a finding. */
async function replay(target: FuzzTarget, path: string): Promise<boolean> {
  const input = Uint8Array.from(readFileSync(path))
  const { accepted, problem } = await tryInput(target, input)
  if (problem === undefined) {
    console.log(`${target.name}: ${input.length} octets, ${accepted ? 'taken' : 'refused'}, nothing wrong`)
    return false
  }
  const finding = { target: target.name, seed: 0, iteration: 0, input, problem }
  console.log(describeFinding(target, finding, await minimise(target, input)))
  return true
}

/** Returns whether there is a finding. */
async function fuzz(target: FuzzTarget, seed: number, seconds: number): Promise<boolean> {
  const isTerminal = process.stdout.isTTY === true
  const startedMs = performance.now()
  const result = await runWatched({
    target: target.name,
    seed,
    seconds,
    hangMs: numberOf(values.hang, 'hang') * 1000,
    onProgress: (inputs) => {
      if (!isTerminal) return
      const passed = ((performance.now() - startedMs) / 1000).toFixed(0)
      process.stdout.write(`\r${target.name.padEnd(18)} ${passed} s of ${seconds.toFixed(0)}, ${inputs} inputs `)
    },
  })
  const rate = Math.round(result.inputs / ((performance.now() - startedMs) / 1000))
  const taken = result.inputs === 0 ? 0 : Math.round((100 * result.accepted) / result.inputs)
  const line = `${target.name.padEnd(18)} ${String(result.inputs).padStart(8)} inputs, ${rate}/s, ${taken} % taken`
  console.log(`${isTerminal ? '\r' : ''}${line}`)
  const { finding } = result
  if (finding === undefined) return false
  const smallest = result.smallest ?? finding.input
  console.log(describeFinding(target, finding, smallest))
  const path = saveFinding(finding, smallest, values.findings)
  console.log(`  again: npm run fuzz -- --target ${target.name} --input ${path}`)
  return true
}

const targets = chosen(values.target)
if (values.list) {
  for (const { name, invariant } of targets) console.log(`${name}: ${invariant}`)
} else if (values.input !== undefined) {
  const [target, surplus] = targets
  if (target === undefined || surplus !== undefined) fail('--input needs exactly one --target')
  if (await replay(target, values.input)) process.exitCode = EXIT_FINDING
} else {
  const seconds = numberOf(values.seconds, 'seconds')
  const seed =
    values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Math.floor(numberOf(values.seed, 'seed'))
  console.log(`seed ${seed}: ${targets.length} targets, ${(seconds / targets.length).toFixed(1)} s each`)
  for (const target of targets) {
    if (await fuzz(target, seed, seconds / targets.length)) process.exitCode = EXIT_FINDING
  }
}
