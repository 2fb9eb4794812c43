/** Entry of a worker process. */
import { ZoneStore } from '../zone/zone-store.ts'
import { createEngine } from './front.ts'
import { runWorkerProcess } from './process.ts'

runWorkerProcess(createEngine, ZoneStore.create())
