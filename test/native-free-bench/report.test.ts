import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { cpuTime, memoryOctets } from '../../native-free-bench/machine/process-tree.ts'
import { charts } from '../../native-free-bench/report/charts.ts'
import { compare } from '../../native-free-bench/report/compare.ts'
import { markdown } from '../../native-free-bench/report/markdown.ts'
import { median, ratio, type ServerResult, type SuiteResult } from '../../native-free-bench/report/result.ts'
import { table } from '../../native-free-bench/report/terminal.ts'

function server(name: string, qps: number[], cpu = 4): ServerResult {
  const rounds = qps.map((value) => ({ qps: value, user: 1, system: cpu - 1, lost: 0, wrong: 0 }))
  const curve = [
    [0, 10],
    [50, 30],
    [99, 900],
    [99.99, 4000],
  ] as const
  const latency = { mean: 40, p50: 30, p90: 90, p99: 900, p999: 2000, p9999: 4000, max: 5000, curve }
  return { server: name, rounds, memory: 50 << 20, startSeconds: 0.2, atHalf: { rate: qps[0]! / 2, latency, lagMs: 1 } }
}

function suite(...servers: ServerResult[]): SuiteResult {
  return {
    version: 1,
    date: '2026-01-01 00:00',
    command: 'npm run bench',
    machine: { cpu: 'a & b', cores: 2, memoryGiB: 4, kernel: 'linux', node: '26', receiveBufferMax: 0 },
    servers: { nsd: '<4>' },
    measures: [],
    workloads: [
      {
        name: 'hits',
        title: 'Hits & more',
        shows: 'something',
        targets: [
          { server: 'shoal', beside: 'nsd', measure: 'qps', goal: 0.95 },
          { server: 'shoal', beside: 'nsd', measure: 'cpu', goal: 1.05 },
        ],
        servers,
      },
    ],
  }
}

test('ratios are taken round by round: a disturbance of the machine cancels out', () => {
  assert.equal(ratio(server('a', [100, 50, 90]), server('b', [200, 100, 180]), 'qps'), 0.5)
  assert.equal(median([3, 1, 2]), 2)
  assert.equal(median([4, 1, 2, 3]), 2.5)
})

test('compare: worse is what fell behind the reference by more than the rounds vary', () => {
  const before = suite(server('shoal', [100, 100]), server('nsd', [100, 100]))
  const cases = [
    { title: 'the same', now: suite(server('shoal', [100, 101]), server('nsd', [100, 100])), worse: 0 },
    { title: 'slower', now: suite(server('shoal', [80, 80]), server('nsd', [100, 100])), worse: 1 },
    { title: 'a slower machine', now: suite(server('shoal', [50, 50]), server('nsd', [50, 50])), worse: 0 },
    { title: 'slower within the noise', now: suite(server('shoal', [70, 110]), server('nsd', [100, 100])), worse: 0 },
    { title: 'failed', now: suite({ ...server('shoal', []), failed: 'gone' }, server('nsd', [100, 100])), worse: 1 },
    { title: 'new', now: suite(server('other', [1, 1]), server('nsd', [100, 100])), worse: 0 },
  ]
  for (const { title, now, worse } of cases) assert.equal(compare(now, before).worse, worse, title)
})

test('markdown: ratios, targets met and missed, failures', () => {
  const text = markdown(
    suite(server('shoal', [90, 90], 4), server('nsd', [100, 100], 5), { ...server('x', []), failed: 'a|b\nc' }),
  )
  assert.match(text, /\| shoal \| 90 \| 0\.90 \| 4\.00 \(1\.00 \+ 3\.00\) \| 30 µs \/ 900 µs \/ 4\.0 ms \|/)
  assert.match(text, /✗ shoal's QPS beside nsd: 0\.90 \(target ≥ 0\.95\)/)
  assert.match(text, /✓ shoal's CPU time per answer beside nsd: 0\.80 \(target ≤ 1\.05\)/)
  assert.match(text, /\| x \| failed: a\\\|b \|/)
  const columns = text
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) => line.replaceAll('\\|', '').split('|').length)
  assert.equal(new Set(columns).size, 1)
})

test('the table lines its columns up', () => {
  const lines = table(suite(server('shoal', [123_456]), server('nsd', [9])).workloads[0]!)
    .trim()
    .split('\n')
    .slice(1)
  assert.equal(new Set(lines.map((line) => line.length)).size, 1)
})

test('charts are well-formed, escaped, and inside their canvas', () => {
  const made = charts(suite(server('shoal', [90]), server('nsd', [100])).workloads[0]!)
  assert.deepEqual([...made.keys()], ['hits-qps', 'hits-cpu', 'hits-latency'])
  for (const svg of made.values()) {
    assert.match(svg, /Hits &amp; more/)
    assert(!/NaN|undefined|Infinity/.test(svg))
    const opened = [...svg.matchAll(/<(\w+)/g)].length
    const closed = [...svg.matchAll(/\/>|<\/\w+>/g)].length
    assert.equal(opened, closed)
    for (const [, x] of svg.matchAll(/ x="(-?[\d.]+)"/g)) assert(Number(x) >= 0 && Number(x) <= 720)
  }
})

test('CPU time and memory are those of the whole tree, the dead included', {
  skip: process.platform !== 'linux',
}, async (t) => {
  const burn = 'while (process.threadCpuUsage().user < 150_000);'
  // A child that burns and ends, a child that burns and stays, and a thread.
  const program = `
    const { spawn, spawnSync } = require('node:child_process')
    const { Worker } = require('node:worker_threads')
    spawnSync(process.execPath, ['--eval', ${JSON.stringify(burn)}])
    spawn(process.execPath, ['--eval', ${JSON.stringify(`${burn} process.on('disconnect', () => process.exit()); setInterval(() => {}, 1000)`)}], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] })
    new Worker(${JSON.stringify(burn)}, { eval: true }).on('exit', () => setTimeout(() => console.log('done'), 400))`
  const child = spawn(process.execPath, ['--eval', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => child.kill())
  await once(child.stdout, 'data')
  const { user, system } = cpuTime(child.pid!)
  assert(user + system > 0.4, `${user} + ${system}`)
  assert(memoryOctets(child.pid!) > 20 << 20)
  const exited = once(child, 'exit')
  child.kill()
  await exited
  assert.deepEqual(cpuTime(child.pid!), { user: 0, system: 0 })
})
