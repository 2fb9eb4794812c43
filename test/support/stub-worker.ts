/** Entry of a worker process with the stub engine. SHOAL_TEST_DIES: ends before it could serve. */
import { existsSync } from 'node:fs'
import { runWorkerProcess } from '../../src/worker/process.ts'
import { createStubEngine, stubStore } from './stub-engine.ts'

const dies = process.env['SHOAL_TEST_DIES']
if (dies !== undefined && existsSync(dies)) process.exit(9)
runWorkerProcess(createStubEngine, stubStore())
