/** The server with the stub engine, for tests of processes. Limits of the supervisor come as JSON in SHOAL_TEST_LIMITS. */
import { parseCommandLine } from '../../src/command-line.ts'
import { start } from '../../src/primary/start.ts'

const parsed = parseCommandLine(process.argv.slice(2))
if (parsed.command !== 'serve') throw new Error('this program only serves')
await start(parsed.options, {
  processEntry: new URL('./stub-worker.ts', import.meta.url),
  localEntry: new URL('./stub-local.ts', import.meta.url),
  limits: JSON.parse(process.env['SHOAL_TEST_LIMITS'] ?? '{}'),
})
