/**
 * Entry of a worker process with the stub engine.
 *
 *   SHOAL_TEST_DIES=FILE       ends before it could serve, while there is such a file
 *   SHOAL_TEST_STARTS_MS=N     its event loop stands still so long while it starts
 */
import { existsSync } from 'node:fs'
import { runWorkerProcess } from '../../src/worker/process.ts'
import { createStubEngine, stubStore } from './stub-engine.ts'

const dies = process.env['SHOAL_TEST_DIES']
const startsMs = Number(process.env['SHOAL_TEST_STARTS_MS'] ?? 0)
if (dies !== undefined && existsSync(dies)) process.exit(9)
runWorkerProcess((options) => {
  const end = performance.now() + startsMs
  while (performance.now() < end);
  return createStubEngine(options)
}, stubStore())
