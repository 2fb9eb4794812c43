/**
 * What a large cluster costs where memory is short, in one process with one pool thread: time to ready, memory when it is quiet, and the peaks of a list from scratch.
 *
 *   bin/node test/kube/memory.ts --services 10000 --endpoints 100000
 *   bin/node test/kube/memory.ts --services 20000 --endpoints 150000 --pods 150000
 *
 * `--relists N`: so often all watches end with 410. `--json`: one line for programs. Linux only: reads /proc.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { composeTestQuery, openUdpClient } from '../support/dns-client.ts'
import { spawnServer, type TestServer } from '../support/server.ts'
import { until } from '../support/until.ts'
import type { ClusterSize } from './big-cluster-names.ts'
import { BigCluster } from './big-cluster-process.ts'

const KIB_PER_MIB = 1024
/** Memory is looked at this long after the last list. */
const QUIET_MS = 5000
const WAIT_MS_MAX = 240_000
const LOOK_MS = 50
const TICKS_PER_SECOND = 100

const { values } = parseArgs({
  options: {
    services: { type: 'string', default: '10000' },
    endpoints: { type: 'string', default: '100000' },
    pods: { type: 'string', default: '0' },
    relists: { type: 'string', default: '3' },
    options: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
  },
})

const size: ClusterSize = {
  services: Number(values.services),
  endpoints: Number(values.endpoints),
  pods: Number(values.pods),
}

const api = new BigCluster()
let server: TestServer | undefined
try {
  const { url } = await api.ask({ kind: 'start', size })
  const startedAt = performance.now()
  server = await spawnServer(corefile(url, size), { args: ['-processes', '1', '-threads', '1'] })
  // Looking more often would make a log line each time.
  while (!(await isReady(server))) await delay(LOOK_MS)
  const readySeconds = (performance.now() - startedAt) / 1000
  const readyCpu = cpuSeconds(server.pid)
  const answers = await askAll(server)
  const startPeak = statusOf(server.pid, 'VmHWM')
  await delay(QUIET_MS)
  const steady = memoryOf(server.pid)
  const relists: { readonly seconds: number; readonly cpu: number; readonly peak: number; readonly after: number }[] =
    []
  for (let i = 0; i < Number(values.relists); i++) relists.push(await relist(server))
  const last = memoryOf(server.pid)
  const figures = {
    size,
    readySeconds: round(readySeconds),
    readyCpuSeconds: round(readyCpu),
    answers,
    startPeakMiB: mib(startPeak),
    steadyRssMiB: mib(steady.rss),
    steadyPssMiB: mib(steady.pss),
    steadyByKind: steady.kinds,
    relists: relists.map(({ seconds, cpu, peak, after }) => ({
      seconds: round(seconds),
      cpuSeconds: round(cpu),
      peakMiB: mib(peak),
      afterMiB: mib(after),
    })),
    lastRssMiB: mib(last.rss),
    peakToSteady: round(Math.max(startPeak, ...relists.map(({ peak }) => peak)) / steady.rss),
    relistPeakToSteady: round(Math.max(...relists.map(({ peak }) => peak)) / steady.rss),
  }
  process.stdout.write(values.json ? `${JSON.stringify(figures)}\n` : `${JSON.stringify(figures, undefined, 2)}\n`)
} catch (error) {
  process.exitCode = 1
  const said = [...(server?.lines ?? []), ...(server?.errors ?? [])].filter((line) => !line.includes('not ready'))
  process.stderr.write(`${(error as Error).stack}\n${said.slice(-40).join('\n')}\n`)
} finally {
  await server?.stop()
  await api.stop()
}

function corefile(url: string, { pods }: ClusterSize): string {
  return `.:PORT {
    errors
    health 127.0.0.1:PORT1
    ready 127.0.0.1:PORT2
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        endpoint ${url}
        ${pods > 0 ? 'pods verified' : 'pods insecure'}
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
        startup_timeout 120s
        ${values.options}
    }
    prometheus 127.0.0.1:PORT3
    cache 30
}`
}

async function isReady({ ports, exitCode }: TestServer): Promise<boolean> {
  if (exitCode !== null) throw new Error(`the server ended with code ${exitCode}`)
  return await fetch(`http://127.0.0.1:${ports[2]}/ready`).then(
    ({ ok }) => ok,
    () => false,
  )
}

/** Everything is listed once more. */
async function relist({
  pid,
  ports,
}: TestServer): Promise<{ seconds: number; cpu: number; peak: number; after: number }> {
  const before = await listRequests(ports[3]!)
  // The peak so far is forgotten.
  writeFileSync(`/proc/${pid}/clear_refs`, '5')
  const from = performance.now()
  const cpuFrom = cpuSeconds(pid)
  await api.ask({ kind: 'expire' })
  const resources = size.pods > 0 ? 4 : 3
  await until(
    'all is watched again',
    async () => (await listRequests(ports[3]!)) > before && (await watches()) === resources,
    WAIT_MS_MAX,
  )
  const seconds = (performance.now() - from) / 1000
  const cpu = cpuSeconds(pid) - cpuFrom
  const peak = statusOf(pid, 'VmHWM')
  await delay(QUIET_MS)
  return { seconds, cpu, peak: Math.max(peak, statusOf(pid, 'VmHWM')), after: memoryOf(pid).rss }
}

async function watches(): Promise<number> {
  return (await api.ask({ kind: 'change', count: 0 })).watches
}

async function listRequests(port: number): Promise<number> {
  const text = await fetch(`http://127.0.0.1:${port}/metrics`).then((response) => response.text())
  return Number(/rest_client_requests_total\{code="200"[^}]*\} (\d+)/.exec(text)?.[1] ?? 0)
}

/** Names all over the cluster. */
async function askAll({ port }: TestServer): Promise<number> {
  const client = openUdpClient(port)
  let answers = 0
  for (let i = 0; i < size.services; i += Math.ceil(size.services / 1000)) {
    const name = `service-${String(i).padStart(5, '0')}.team-${i % 100}.svc.cluster.local`
    const reply = await client.ask(composeTestQuery(name, 1))
    if (reply !== undefined && (reply[3]! & 15) === 0 && reply[7]! > 0) answers++
  }
  client.close()
  return answers
}

/** Kibibytes. */
function memoryOf(pid: number): { rss: number; pss: number; kinds: Readonly<Record<string, number>> } {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  const pss = Number(/^Pss:\s+(\d+)/m.exec(text)![1])
  const kinds = Object.fromEntries(['RssAnon', 'RssFile', 'RssShmem'].map((kind) => [kind, mib(statusOf(pid, kind))]))
  return { rss: statusOf(pid, 'VmRSS'), pss, kinds }
}

/** User and system time of all threads, which other work of the machine doesn't change. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

function statusOf(pid: number, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1])
}

function mib(kibibytes: number): number {
  return round(kibibytes / KIB_PER_MIB)
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
