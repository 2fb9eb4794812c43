/**
 * Fuzz target: a Corefile of any octets. The parser returns blocks and CorefileErrors, never throws, stays linear, and
 * the words it cuts a text into survive being printed.
 */
import assert from 'node:assert/strict'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseCidr, reverseZones } from '../../src/corefile/cidr.ts'
import { CorefileError } from '../../src/corefile/corefile-error.ts'
import { parseGoDuration, printGoDuration } from '../../src/corefile/go-duration.ts'
import { splitHostPort } from '../../src/corefile/host-port.ts'
import { ERRORS_MAX, parseCorefile } from '../../src/corefile/parse-corefile.ts'
import { printProblem } from '../../src/corefile/report.ts'
import { resolveKeys } from '../../src/corefile/server-keys.ts'
import { printTokens, scanTokens } from '../../src/corefile/tokens.ts'
import { zonesOfArgument } from '../../src/corefile/zone-argument.ts'

export const name = 'corefile'

/** Milliseconds for one text; what takes longer is not linear. */
const MS_MAX = 5000

// Imports are looked for here, so that a run does not depend on the folder it was started in.
const empty = mkdtempSync(join(tmpdir(), 'shoal-fuzz-corefile-'))
const environment = { A: 'a.org', B: '{$A}', LOOP: '{$LOOP}', BRACE: '{' }

/** Throws where the parser breaks its word. */
export function run(bytes: Uint8Array): void {
  const started = performance.now()
  const text = Buffer.from(bytes).toString('utf8')
  const tokens = scanTokens(text, 'Corefile')
  if (!tokens[0]?.text.startsWith('\ufeff')) {
    const again = scanTokens(printTokens(tokens), 'Corefile')
    assert.deepEqual(
      again.map((token) => token.text),
      tokens.map((token) => token.text),
    )
  }
  const parsed = parseCorefile(text, { file: 'Corefile', workingFolder: empty, environment })
  assert.ok(parsed.errors.length <= ERRORS_MAX)
  for (const error of parsed.errors) {
    assert.ok(error instanceof CorefileError)
    assert.ok(error.at.line >= 1 && error.at.column >= 1)
    const { file, line, column } = error.at
    printProblem({ severity: 'error', file, line, column, problem: error.problem, read: text.split('\n', 1)[0]! })
  }
  for (const block of parsed.blocks) {
    assert.ok(block.keys.length > 0)
    const { keys, errors } = resolveKeys(block.keys, 53)
    assert.ok(errors.every((error) => error instanceof CorefileError))
    for (const { zone, port } of keys) assert.ok(zone.endsWith('.') && port >= 0 && port <= 65_535)
  }
  for (const { text: word } of tokens.slice(0, 200)) {
    splitHostPort(word)
    zonesOfArgument(word)
    const cidr = parseCidr(word)
    if (cidr !== undefined) assert.ok(reverseZones(cidr).length <= 128)
    const ms = parseGoDuration(word)
    if (ms !== undefined) assert.notEqual(parseGoDuration(printGoDuration(ms)), undefined)
  }
  const ms = performance.now() - started
  assert.ok(ms < MS_MAX, `${bytes.length} octets took ${ms} ms`)
}
