/**
 * What the transports can carry: an echo server (it turns each query into an answer with one A record, and does nothing else) over
 * mmsg, over mmsg on a wildcard address, and over node:dgram, beside NSD where it is installed. The server is pinned to one core and
 * dnsperf, which is nobody's but its own judge here, to another; rounds are interleaved, so that ratios count and nothing else. What Shoal
 * reaches beyond this is not to be had from Node; what it loses, it loses in its own code.
 *
 *   bin/node native-free-bench/udp-transport.ts [--seconds 3] [--rounds 5] [--only mmsg,dgram]
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { QuerySet } from './load/query-set.ts'
import { chooseCores, pinned } from './machine/pinning.ts'
import { cpuTime } from './machine/process-tree.ts'
import { RunningServer } from './machine/running-server.ts'
import { median } from './report/result.ts'
import { nsd } from './servers/nsd.ts'
import type { Command } from './servers/server.ts'
import { freePort } from './suite/free-port.ts'
import { writeZones } from './suite/zone-files.ts'
import hits from './workloads/hits.ts'

const ADDRESS = '127.0.0.1'
const FLOWS = 128
const OUTSTANDING = 1000

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '5' },
    only: { type: 'string', default: '' },
  },
})

interface Round {
  readonly qps: number
  readonly lost: number
  /** Microseconds of CPU time per answer. */
  readonly user: number
  readonly system: number
}

const folder = mkdtempSync(join(tmpdir(), 'shoal-bench-'))
const cores = chooseCores()
const zoneFile = writeZones(folder, hits)
const queries = join(folder, 'queries')
writeFileSync(
  queries,
  hits
    .queries()
    .map(({ qname }) => `${qname} A\n`)
    .join(''),
)
const firstQuery = new Uint8Array(512)
const firstQueryLength = new QuerySet(hits.queries(), 'sequence').compose(0, firstQuery, 0)

const echo = fileURLToPath(new URL('servers/programs/echo.ts', import.meta.url))
const echoing =
  (transport: string, address: string) =>
  (port: number): Command => ({
    command: process.execPath,
    args: [...process.execArgv, echo, transport, address, `${port}`],
  })
const kinds = new Map<string, (port: number) => Command>([
  ['mmsg', echoing('mmsg', ADDRESS)],
  ['mmsg-wildcard', echoing('mmsg', '')],
  ['dgram', echoing('dgram', ADDRESS)],
])
if (nsd.version() !== undefined) {
  kinds.set('nsd', (port) => {
    const state = join(folder, 'nsd')
    mkdirSync(state, { recursive: true })
    return nsd.prepare({
      folder: state,
      address: ADDRESS,
      port,
      adminPort: 0,
      cores: 1,
      workload: hits,
      zoneFile,
      upstreamPort: 0,
      clusterUrl: '',
    })
  })
}
const names = [...kinds.keys()].filter((name) => options.only === '' || options.only.split(',').includes(name))
const rounds = new Map<string, Round[]>(names.map((name) => [name, []]))
try {
  for (let round = 0; round < Number(options.rounds); round++) {
    for (const name of names) rounds.get(name)!.push(await measure(kinds.get(name)!))
  }
} finally {
  rmSync(folder, { recursive: true })
}
report()

async function measure(prepare: (port: number) => Command): Promise<Round> {
  const port = await freePort(ADDRESS)
  const server = await RunningServer.start(prepare(port), {
    core: cores.server(1),
    address: ADDRESS,
    port,
    transport: 'udp',
    query: Buffer.from(firstQuery.subarray(0, firstQueryLength)),
    limitSeconds: 10,
    outputFile: join(folder, 'output'),
  })
  try {
    dnsperf(port, 0.5)
    const before = cpuTime(server.pid)
    const { completed, lost, qps } = dnsperf(port, Number(options.seconds))
    const after = cpuTime(server.pid)
    const perAnswer = 1e6 / completed
    return {
      qps,
      lost,
      user: (after.user - before.user) * perAnswer,
      system: (after.system - before.system) * perAnswer,
    }
  } finally {
    await server.stop()
  }
}

function dnsperf(port: number, seconds: number): { qps: number; completed: number; lost: number } {
  const args = [
    '-s',
    ADDRESS,
    '-p',
    `${port}`,
    '-d',
    queries,
    '-l',
    `${seconds}`,
    '-c',
    `${FLOWS}`,
    '-q',
    `${OUTSTANDING}`,
  ]
  const { error, stdout } = spawnSync(...pinned(cores.load[0], 'dnsperf', args), { encoding: 'utf8' })
  if (error !== undefined) throw error
  const figure = (pattern: RegExp) => Number(pattern.exec(stdout)?.[1] ?? Number.NaN)
  return {
    qps: figure(/Queries per second:\s+([\d.]+)/),
    completed: figure(/Queries completed:\s+(\d+)/),
    lost: figure(/Queries lost:\s+(\d+)/),
  }
}

/** Ratios beside the last server, round by round. */
function report(): void {
  const last = rounds.get(names.at(-1)!)!
  console.log(`server            QPS    CPU µs per answer (user + system)   lost   QPS and CPU beside ${names.at(-1)}`)
  for (const name of names) {
    const all = rounds.get(name)!
    const cpu = (round: Round) => round.user + round.system
    const qpsRatio = median(all.map((round, i) => round.qps / last[i]!.qps))
    const cpuRatio = median(all.map((round, i) => cpu(round) / cpu(last[i]!)))
    const [user, system] = [median(all.map((round) => round.user)), median(all.map((round) => round.system))]
    const cells = [
      name.padEnd(14),
      median(all.map((round) => round.qps))
        .toFixed(0)
        .padStart(7),
      `   ${(user + system).toFixed(2)} (${user.toFixed(2)} + ${system.toFixed(2)})`.padEnd(36),
      `${all.reduce((sum, round) => sum + round.lost, 0)}`.padStart(6),
      `  ${qpsRatio.toFixed(2)}  ${cpuRatio.toFixed(2)}`,
    ]
    console.log(cells.join(' '))
  }
}
