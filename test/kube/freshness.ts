/**
 * How fast a change of the cluster is served while clients poll names that aren't there yet, and whether anybody gets an older answer after a newer one.
 *
 *   bin/node test/kube/freshness.ts
 *   bin/node test/kube/freshness.ts --rate 10000 --seconds 20 --changes 20 --processes 2 --cache 30
 *
 * A name comes (its headless service's first endpoint), its endpoint is replaced, it goes. Time runs from the moment at which the API writes the
 * event to its watches to the first right answer; so it includes the time between two polls of a name.
 * An answer counts as older when its query was sent after a newer answer had been received. The API and the clients are this process.
 */
import { createSocket, type Socket } from 'node:dgram'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { composeTestQuery } from '../support/dns-client.ts'
import { startServer } from '../support/server.ts'
import { until } from '../support/until.ts'
import { ApiServer } from './api-server.ts'
import { namespace, service, slice } from './objects.ts'

const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '10000' },
    seconds: { type: 'string', default: '20' },
    changes: { type: 'string', default: '20' },
    processes: { type: 'string', default: '2' },
    cache: { type: 'string', default: '30' },
  },
})
const RATE = Number(values.rate)
const SECONDS = Number(values.seconds)
const CHANGES_PER_SECOND = Number(values.changes)
/** Source ports: the kernel gives each process some of them. */
const SOCKETS = 64
/** Names polled at a time; the change that comes next is of one of them. */
const POLLED = 20
const TICK_MS = 2
const GONE = 0
const TYPE_A = 1
const SEED_SERVICES = 1000

/** A name with what is known of its answers: each has a version, the endpoint's last octets; GONE is NXDOMAIN. */
interface Watched {
  readonly name: string
  readonly query: Buffer
  /** Version that the API has, and since when. */
  version: number
  changedAt: number
  /** The newest version that a client saw, and when that answer came. */
  seen: number
  seenAt: number
  /** Versions in the order in which the API had them. */
  readonly order: number[]
}

const api = await ApiServer.start()
api.load([
  namespace('fresh'),
  ...Array.from({ length: SEED_SERVICES }, (_, i) =>
    service(`fresh/seed-${i}`, { ips: [`10.96.${i >> 8}.${i & 255}`] }),
  ),
])
const server = await startServer(
  `.:PORT {
    errors
    ready 127.0.0.1:PORT1
    kubernetes cluster.local in-addr.arpa {
        endpoint ${api.url}
    }
    ${Number(values.cache) > 0 ? `cache ${values.cache}` : ''}
}`,
  { args: ['-processes', values.processes] },
)
const names = Array.from({ length: POLLED }, (_, i) => newName(i))
let made = POLLED
const latencies: Record<'comes' | 'changes' | 'goes', number[]> = { comes: [], changes: [], goes: [] }
let older = 0
let answers = 0
let sent = 0
let lost = 0
const pending = new Map<number, { readonly watched: Watched; readonly sentAt: number }>()
const sockets = Array.from({ length: SOCKETS }, () => createSocket('udp4'))
for (const [index, socket] of sockets.entries()) socket.on('message', (reply) => take(index, reply))
try {
  await Promise.all(
    sockets.map((socket) => new Promise<void>((resolve) => socket.connect(server.port, '127.0.0.1', resolve))),
  )
  await until('it serves', async () => (await fetch(`http://127.0.0.1:${server.ports[1]}/ready`)).ok)
  const stop = new AbortController()
  const polling = poll(stop.signal)
  await delay(500)
  const end = performance.now() + SECONDS * 1000
  for (let step = 0; performance.now() < end; step++) {
    change(step)
    await delay(1000 / CHANGES_PER_SECOND)
  }
  await delay(500)
  stop.abort()
  await polling
  const kinds = Object.entries(latencies).map(([kind, all]) => [kind, figures(all)])
  const all = figures(Object.values(latencies).flat())
  process.stdout.write(
    `${JSON.stringify({ rate: Math.round(sent / (SECONDS + 1)), answers, lost, olderAnswers: older, all, ...Object.fromEntries(kinds) }, undefined, 2)}\n`,
  )
  if (older > 0 || names.some(({ version, seen }) => version !== seen)) process.exitCode = 1
} finally {
  for (const socket of sockets) socket.close()
  await server.stop()
  await api.stop()
}

function newName(i: number): Watched {
  const name = `late-${i}.fresh.svc.cluster.local`
  const query = Buffer.from(composeTestQuery(name, TYPE_A))
  return { name, query, version: GONE, changedAt: 0, seen: GONE, seenAt: 0, order: [GONE] }
}

/** One change of one name; a name that went makes room for a new one. */
function change(step: number): void {
  const index = step % names.length
  const watched = names[index]!
  // Only names of which everything was seen change again.
  if (watched.seen !== watched.version) return
  const [label] = watched.name.split('.')
  if (watched.version === GONE && watched.order.length > 1) {
    names[index] = newName(made++)
    return
  }
  const headless = service(`fresh/${label}`, { ips: ['None'], ports: ['x/TCP:1'] })
  const next = watched.version === GONE ? 1 : watched.version < 3 ? watched.version + 1 : GONE
  // An endpoint more or less is one event; the service's own makes no name.
  if (next === 1) api.change(headless)
  watched.order.push(next)
  watched.version = next
  watched.changedAt = performance.now()
  const endpoints = next === GONE ? [] : [`10.244.${next}.${index + 1}`]
  api.change(slice(`fresh/${label}-a`, { service: label!, endpoints, ports: ['x/TCP:1'] }))
}

async function poll(signal: AbortSignal): Promise<void> {
  const from = performance.now()
  let id = 0
  while (!signal.aborted) {
    await delay(TICK_MS)
    const due = Math.floor(((performance.now() - from) * RATE) / 1000)
    while (sent < due) {
      const watched = names[sent % names.length]!
      const index = sent % SOCKETS
      id = (id + 1) & 0xffff
      const key = (index << 16) | id
      if (pending.has(key)) lost++
      pending.set(key, { watched, sentAt: performance.now() })
      const query = Buffer.from(watched.query)
      query.writeUInt16BE(id, 0)
      ;(sockets[index] as Socket).send(query)
      sent++
    }
  }
}

function take(index: number, reply: Buffer): void {
  const key = (index << 16) | reply.readUInt16BE(0)
  const about = pending.get(key)
  if (about === undefined) return
  pending.delete(key)
  answers++
  const { watched, sentAt } = about
  const rcode = reply[3]! & 15
  // The answer's last octets are the address: 10.244.VERSION.x
  const version = rcode === 3 ? GONE : reply[reply.length - 2]!
  const at = performance.now()
  const newest = watched.order.lastIndexOf(watched.seen)
  const here = watched.order.lastIndexOf(version)
  if (version === watched.seen) return
  if (here > newest) {
    watched.seen = version
    watched.seenAt = at
    if (version !== watched.version) return
    const kind = version === GONE ? 'goes' : version === 1 ? 'comes' : 'changes'
    latencies[kind].push(at - watched.changedAt)
  } else if (sentAt > watched.seenAt) older++
}

function figures(all: readonly number[]): Readonly<Record<string, number>> {
  const sorted = [...all].sort((a, b) => a - b)
  const at = (share: number): number =>
    Math.round((sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0) * 10) / 10
  return { count: sorted.length, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) }
}
