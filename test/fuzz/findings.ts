/** A finding, on the screen and in a file. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Finding } from './session.ts'
import type { FuzzTarget } from './target.ts'

export const FINDINGS_FOLDER = join(import.meta.dirname, 'findings')

/** The finding in words, with what repeats it. */
export function describeFinding(target: FuzzTarget, finding: Finding, smallest: Uint8Array): string {
  const { seed, iteration, input, problem } = finding
  return [
    `FINDING in ${target.name}: seed ${seed}, iteration ${iteration}`,
    `  must hold: ${target.invariant}`,
    `  instead:   ${problem.replaceAll('\n', '\n             ')}`,
    ...inputLines('input', input),
    ...(smallest.length < input.length ? inputLines('smaller', smallest) : []),
  ].join('\n')
}

function inputLines(what: string, input: Uint8Array): string[] {
  const buffer = Buffer.from(input)
  return [
    `  ${what}, ${input.length} octets:`,
    `    hex    ${buffer.toString('hex')}`,
    `    base64 ${buffer.toString('base64')}`,
  ]
}

/** Writes the input for `--input`; returns its path. */
export function saveFinding(
  { target, seed, iteration }: Finding,
  smallest: Uint8Array,
  folder = FINDINGS_FOLDER,
): string {
  mkdirSync(folder, { recursive: true })
  const path = join(folder, `${target}-${seed}-${iteration}.bin`)
  writeFileSync(path, smallest)
  return path
}
