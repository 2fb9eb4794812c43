/**
 * The benchmark suite: `npm run bench`, or `npm run bench -- --quick` for CI. Nothing to compile, nothing to install: the load generator is
 * TypeScript, and every DNS server found on PATH joins.
 *
 *   for each workload: start its servers ─► rounds, interleaved: closed loop on each ─► open loop at half load ─► search for the highest rate
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { aboutMachine } from './machine/about.ts'
import { chooseCores } from './machine/pinning.ts'
import { type Measure, measureNames, readMeasure } from './measures/measure.ts'
import { charts } from './report/charts.ts'
import { compare } from './report/compare.ts'
import { markdown } from './report/markdown.ts'
import { type MeasureResult, RESULT_VERSION, type SuiteResult, type WorkloadResult } from './report/result.ts'
import { measureTable, Progress, table } from './report/terminal.ts'
import { onCores, readServers, type ServerKind } from './servers/server.ts'
import { Bench, estimateSeconds, type Pace } from './suite/bench.ts'
import { readWorkload, workloadNames } from './workloads/workload.ts'

const USAGE = `npm run bench -- [options]

  --quick            a few workloads, short rounds, no search for the highest rate: under three minutes
  --workloads A,B    only these (file names in workloads/ and measures/)
  --servers X,Y      only these
  --rounds N         rounds of each workload (5; quick: 2)
  --seconds S        of a round (3; quick: 0.7)
  --search N         steps of the search for the highest rate at p99 ≤ 5 ms; 0: none (6; quick: 0)
  --cores N,M        cores for each server (1); with several counts each joins once with each (shoal, shoal×2)
  --load-cores N     cores for the load, a process on each (1)
  --dnsperf          dnsperf sends the queries of the rounds; no open loops, no measures
  --out FOLDER       where results.json, summary.md and the charts go (results/ beside the suite)
  --compare FILE     an earlier results.json: prints ratios; exit code 2 when something got worse beyond the noise
  --list             workloads, measures, and the servers found on PATH
  --help             this`

const QUICK = { rounds: 2, seconds: 0.7, warmSeconds: 0.3, halfSeconds: 0.7, searchSteps: 0, searchSeconds: 0 }
const FULL = { rounds: 5, seconds: 3, warmSeconds: 1, halfSeconds: 3, searchSteps: 6, searchSeconds: 2 }

const OPTIONS = {
  quick: { type: 'boolean', default: false },
  workloads: { type: 'string' },
  servers: { type: 'string' },
  rounds: { type: 'string' },
  seconds: { type: 'string' },
  search: { type: 'string' },
  cores: { type: 'string', default: '1' },
  'load-cores': { type: 'string', default: '1' },
  dnsperf: { type: 'boolean', default: false },
  out: { type: 'string', default: fileURLToPath(new URL('results', import.meta.url)) },
  compare: { type: 'string' },
  list: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const
const options = readOptions()

expectKnown('workloads', [...workloadNames(), ...measureNames()])
const servers = new Map((await readServers()).map((kind) => [kind.name, kind]))
expectKnown('servers', [...servers.keys()])
const versions: Record<string, string> = {}
for (const [name, kind] of servers) {
  const version = kind.version()
  if (version !== undefined && isWanted(options.servers, name)) versions[name] = version
}
const workloads = new Map<string, Awaited<ReturnType<typeof readWorkload>>>()
for (const name of workloadNames()) {
  const workload = await readWorkload(name)
  // Without servers, it is load for a measure.
  if (workload.servers?.length === 0 || (options.dnsperf && workload.transport === 'tcp-fresh')) continue
  if (options.workloads !== undefined ? isWanted(options.workloads, name) : !options.quick || workload.quick)
    workloads.set(name, workload)
}

const measures = new Map<string, Measure>()
for (const name of options.dnsperf ? [] : measureNames()) {
  const measure = await readMeasure(name)
  const wanted = options.workloads !== undefined ? isWanted(options.workloads, name) : !options.quick || measure.quick
  if (wanted) measures.set(name, measure)
}

if (options.help) console.log(USAGE)
else if (options.list) list()
else process.exitCode = await run()

function isWanted(list: string | undefined, name: string): boolean {
  return list === undefined || list.split(',').includes(name)
}

function readOptions() {
  try {
    const { values } = parseArgs({ options: OPTIONS })
    for (const name of ['rounds', 'seconds', 'load-cores'] as const) {
      if (values[name] !== undefined && !(Number(values[name]) > 0))
        fail(`--${name} ${values[name]}: a number is needed`)
    }
    for (const count of values.cores.split(','))
      if (!/^[1-9]\d{0,2}$/.test(count)) fail(`--cores ${values.cores}: numbers are needed`)
    if (values.search !== undefined && !/^[0-9]{1,2}$/.test(values.search))
      fail(`--search ${values.search}: a number is needed`)
    return values
  } catch (error) {
    return fail((error as Error).message)
  }
}

/** A misspelt name would measure nothing, and look like success. */
function expectKnown(option: 'workloads' | 'servers', known: readonly string[]): void {
  for (const name of options[option]?.split(',') ?? []) {
    if (!known.includes(name)) fail(`--${option} ${name}: there are ${known.join(', ')}`)
  }
}

function fail(problem: string): never {
  console.error(`${problem}\n\n${USAGE}`)
  process.exit(1)
}

function list(): void {
  for (const [name, { title, shows }] of workloads) console.log(`${name.padEnd(20)} ${title}: ${shows}`)
  for (const [name, { title, shows }] of measures) console.log(`${name.padEnd(20)} ${title}: ${shows}`)
  for (const [name] of servers) console.log(`${name.padEnd(20)} ${versions[name] ?? 'not found'}`)
}

async function run(): Promise<number> {
  const basic = options.quick ? QUICK : FULL
  const pace: Pace = {
    ...basic,
    ...(options.dnsperf ? { halfSeconds: 0 } : {}),
    dnsperf: options.dnsperf,
    rounds: Number(options.rounds ?? basic.rounds),
    seconds: Number(options.seconds ?? basic.seconds),
    searchSteps: options.dnsperf ? 0 : Number(options.search ?? basic.searchSteps),
  }
  const coreCounts = options.cores.split(',').map(Number)
  const onCoreCounts = (kind: ServerKind) => coreCounts.map((count) => onCores(kind, count))
  const cores = chooseCores(Math.max(...coreCounts), Number(options['load-cores']))
  const plan = [...workloads].map(([name, workload]) => ({
    name,
    workload,
    kinds: Object.keys(versions)
      .map((server) => servers.get(server)!)
      .filter(
        (kind) =>
          kind.takes(workload) &&
          !(options.dnsperf && kind.unchecked) &&
          (workload.servers === undefined || workload.servers.includes(kind.name)),
      )
      .flatMap(onCoreCounts),
  }))
  const measurePlan = [...measures].map(([name, measure]) => ({
    name,
    measure,
    kinds: Object.keys(versions)
      .filter((server) => measure.servers.includes(server))
      .map((server) => servers.get(server)!)
      .flatMap(onCoreCounts),
  }))
  const progress = new Progress(
    plan.reduce((sum, { workload, kinds }) => sum + estimateSeconds(workload, kinds, pace), 0) +
      measurePlan.reduce((sum, { measure, kinds }) => sum + measure.seconds * measure.repeats * kinds.length, 0),
  )
  const folder = mkdtempSync(join(tmpdir(), 'shoal-bench-'))
  const bench = new Bench({ folder, cores, pace, progress })
  const interrupted = (): void => {
    bench.close()
    rmSync(folder, { recursive: true, force: true })
    process.exit(1)
  }
  // Whoever stops the suite wants its servers stopped too.
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted)
  const results: WorkloadResult[] = []
  const measured: MeasureResult[] = []
  try {
    for (const { name, workload, kinds } of plan) {
      const result = await bench.measure(name, workload, kinds)
      results.push(result)
      progress.clear()
      console.log(table(result))
    }
    for (const { name, measure, kinds } of measurePlan) {
      const result = await bench.takeMeasure(name, measure, kinds)
      measured.push(result)
      progress.clear()
      console.log(measureTable(result))
    }
  } finally {
    bench.close()
    rmSync(folder, { recursive: true, force: true })
  }
  const suite: SuiteResult = {
    version: RESULT_VERSION,
    date: new Date().toISOString().slice(0, 16).replace('T', ' '),
    command: `npm run bench -- ${process.argv.slice(2).join(' ')}`.replace(/ -- $/, ''),
    machine: aboutMachine(),
    ...(cores.beside === undefined
      ? {}
      : { serverCores: coreCounts.map(cores.server).join(' or '), loadCores: cores.load.join(',') }),
    servers: versions,
    workloads: results,
    measures: measured,
  }
  write(suite)
  return options.compare === undefined ? 0 : compareWith(suite, options.compare)
}

function write(suite: SuiteResult): void {
  mkdirSync(options.out, { recursive: true })
  writeFileSync(join(options.out, 'results.json'), `${JSON.stringify(suite, null, 1)}\n`)
  writeFileSync(join(options.out, 'summary.md'), `${markdown(suite)}\n`)
  for (const workload of suite.workloads) {
    for (const [name, svg] of charts(workload)) writeFileSync(join(options.out, `${name}.svg`), svg)
  }
  console.log(`\n${join(options.out, 'results.json')}, summary.md and charts written`)
}

/** 2 when something got worse, so that CI can tell it from a failure. */
function compareWith(suite: SuiteResult, file: string): number {
  const before = JSON.parse(readFileSync(file, 'utf8')) as SuiteResult
  if (before.version !== RESULT_VERSION) {
    console.error(`${file} is of version ${before.version}, this suite writes version ${RESULT_VERSION}`)
    return 1
  }
  const { lines, worse } = compare(suite, before)
  console.log(`\nBeside ${file} (${before.date}), now divided by then:`)
  console.log(lines.join('\n'))
  return worse > 0 ? 2 : 0
}
