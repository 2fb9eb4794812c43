import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ServerConfig } from '../../src/corefile/server-config.ts'
import { processCount, threadCount } from '../../src/primary/process-count.ts'

const NONE = Number.POSITIVE_INFINITY

function configWith(...sockets: number[]): ServerConfig {
  const listeners = sockets.map((count, id) => ({
    id,
    transport: 'dns' as const,
    address: '',
    port: 53 + id,
    sockets: count,
    server: 'dns://:53',
    zones: [],
    allClasses: false,
  }))
  return { generation: 1, hash: '', blocks: [], listeners }
}

const cases = [
  { title: 'one per processor', parallelism: 4, processes: 4, threads: 1 },
  { title: 'a quota of the control group is rounded', parallelism: 8, processors: 1.5, processes: 2, threads: 1 },
  { title: 'a tenth of a processor still is one process', parallelism: 8, processors: 0.1, processes: 1, threads: 1 },
  { title: 'one of each where memory is short', parallelism: 8, memorySize: 170 << 20, processes: 1, threads: 1 },
  { title: '256 MiB is enough', parallelism: 2, memorySize: 256 << 20, processes: 2, threads: 1 },
  {
    title: '-processes counts before all else',
    asked: 3,
    sockets: 2,
    parallelism: 8,
    memorySize: 1 << 20,
    processes: 3,
    threads: 1,
  },
  { title: 'multisocket N', sockets: 3, parallelism: 2, processes: 3, threads: 1 },
  { title: 'multisocket 1024 makes no 1024 processes', sockets: 1024, parallelism: 2, processes: 8, threads: 1 },
]
for (const {
  title,
  asked,
  sockets = 0,
  parallelism,
  processors = NONE,
  memorySize = NONE,
  processes,
  threads,
} of cases) {
  test(title, () => {
    const machine = { parallelism, limits: { processors, memorySize } }
    const count = processCount(asked, configWith(0, sockets), machine)
    assert.equal(count, processes)
    assert.equal(threadCount(undefined, count, machine), threads)
    assert.equal(threadCount(5, count, machine), 5)
  })
}
