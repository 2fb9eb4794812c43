/**
 * What must hold for hours, in rounds: reloads, killed workers and zone changes while queries run at a steady rate.
 * `run.ts` runs it long, `soak.alone.ts` short. Each part throws an AssertionError that says what was lost or wrong.
 */
import assert from 'node:assert/strict'
import dgram from 'node:dgram'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { decodeReply } from '../support/decode-reply.ts'
import { composeTestQuery } from '../support/dns-client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { type Steady, steadyQueries } from '../support/steady-queries.ts'
import { until } from '../support/until.ts'

/** Told after each round, for a progress line. */
export type OnRound = (done: number, of: number) => void

export interface SoakOptions {
  readonly rounds: number
  readonly processes: number
  readonly perSecond: number
  readonly onRound?: OnRound
}

const A = 1
const TXT = 16
const NXDOMAIN = 3
const UPSTREAM_ADDRESS = 'c0000263'

interface Question {
  readonly query: Uint8Array
  /** What is wrong with the reply, or undefined. */
  check(reply: Uint8Array): string | undefined
}

/** The whole answer section as hexadecimal rdata, any order. */
function question(qname: string, qtype: number, rcode: number, ...rdata: string[]): Question {
  const expected = `${rcode} ${rdata.toSorted().join(' ')}`
  return {
    query: composeTestQuery(qname, qtype),
    check(reply) {
      const decoded = decodeReply(reply)
      const found = `${decoded.rcode} ${decoded.sections[0]
        .map((record) => record.rdata)
        .toSorted()
        .join(' ')}`
      return found === expected ? undefined : `${qname}: ${found} instead of ${expected}`
    },
  }
}

const ZONE = `$ORIGIN soak.example.
@ 60 IN SOA ns hostmaster 1 3600 600 86400 60
@ 60 IN NS ns
ns 60 IN A 192.0.2.1
www 60 IN A 192.0.2.2
www 60 IN A 192.0.2.3
*.wild 60 IN A 192.0.2.4
`

/** Every way to an answer: record store, hosts, template (the chain), an upstream, and each from the cache. */
function corefile(upstream: number, generation: number): string {
  return `soak.example:PORT {
  errors
  prometheus 127.0.0.1:PORT1
  health 127.0.0.1:PORT2
  ready 127.0.0.1:PORT3
  file db.soak.example
  loadbalance
}
.:PORT {
  errors
  prometheus 127.0.0.1:PORT1
  cache
  hosts {
    192.0.2.5 host.lan
    fallthrough
  }
  template IN TXT generation.lan {
    answer "{{ .Name }} 60 IN TXT ${generation}"
  }
  forward . 127.0.0.1:${upstream} {
    prefer_udp
  }
}
`
}

const BROKEN = '.:PORT {\n  whoami\n  nosuchplugin\n}\n'

function questions(): Question[] {
  return [
    question('www.soak.example', A, 0, 'c0000202', 'c0000203'),
    question('any.wild.soak.example', A, 0, 'c0000204'),
    question('nothing.soak.example', A, NXDOMAIN),
    question('host.lan', A, 0, 'c0000205'),
    question('far.test', A, 0, UPSTREAM_ADDRESS),
  ]
}

interface Upstream {
  readonly port: number
  close(): void
}

/** Answers every A query with 192.0.2.99, TTL 0: never from the cache for long. */
async function openUpstream(): Promise<Upstream> {
  const socket = dgram.createSocket('udp4')
  socket.on('message', (query, { port, address }) => {
    const end = query.indexOf(0, 12) + 5
    const reply = Buffer.concat([
      query.subarray(0, end),
      Buffer.from(`c00c00010001000000000004${UPSTREAM_ADDRESS}`, 'hex'),
    ])
    reply[2] = 0x81
    reply[3] = 0x80
    reply.writeUInt16BE(1, 6)
    reply.writeUInt32BE(0, 8)
    socket.send(reply, port, address)
  })
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  return { port: socket.address().port, close: () => socket.close() }
}

function textOf(reply: Uint8Array): string {
  const rdata = decodeReply(reply).sections[0].find(({ type }) => type === TXT)?.rdata ?? ''
  return Buffer.from(rdata.slice(2), 'hex').toString('latin1')
}

/**
 * `rounds` reloads, every tenth with an invalid Corefile: none lost, none wrong, no answer of an older configuration to a
 * query sent after the reload was done, metrics and health up throughout.
 */
export async function reloads({ rounds, processes, perSecond, onRound }: SoakOptions): Promise<{ sent: number }> {
  const upstream = await openUpstream()
  const server = await startServer(corefile(upstream.port, 0), {
    files: { 'db.soak.example': ZONE },
    args: ['-processes', String(processes)],
  })
  const watch = watchHttp(server)
  let steady: Steady | undefined
  try {
    let reloaded = { generation: 0, atMs: 0 }
    const wrong: string[] = []
    const fixed = questions()
    const changing = composeTestQuery('generation.lan', TXT)
    steady = steadyQueries({
      port: server.port,
      perSecond,
      tcpClients: 8,
      queries: [...fixed.map(({ query }) => query), changing],
      onReply(reply, sentAtMs, query) {
        const fault = query < fixed.length ? fixed[query]!.check(reply) : undefined
        if (fault !== undefined) wrong.push(fault)
        if (query < fixed.length || sentAtMs < reloaded.atMs) return
        const generation = Number(textOf(reply))
        // The next reload may be under way already.
        if (generation < reloaded.generation) wrong.push(`configuration ${generation} after ${reloaded.generation}`)
      },
    })
    for (let round = 1; round <= rounds; round++) {
      const from = server.lines.length
      const isBroken = round % 10 === 5
      server.writeCorefile(isBroken ? BROKEN : corefile(upstream.port, round))
      server.signal('SIGUSR1')
      if (isBroken) assert.match(await server.line(/\[ERROR\] SIGUSR1: /, from, 20_000), /Corefile:3/)
      else {
        await server.line(/\[INFO\] Reloading complete/, from, 20_000)
        reloaded = { generation: round, atMs: performance.now() }
      }
      assert.deepEqual(wrong, [])
      assert.equal(steady.lost, 0, `lost by reload ${round}`)
      assert.equal(server.exitCode, null)
      onRound?.(round, rounds)
    }
    const { sent, lost } = await steady.stop()
    assert.deepEqual(wrong, [])
    assert.equal(lost, 0, `${lost} of ${sent} lost`)
    assert.deepEqual(await watch.stop(), [])
    return { sent }
  } finally {
    await Promise.all([steady?.stop(), watch.stop()])
    await server.stop()
    upstream.close()
  }
}

/** Asks for metrics and health, each time when the last answer came and 20 ms passed; `stop` gives what went wrong. */
function watchHttp(server: TestServer): { stop(): Promise<string[]> } {
  const faults: string[] = []
  let isOver = false
  const poll = async (url: string, pattern: RegExp): Promise<void> => {
    while (!isOver) {
      try {
        const response = await fetch(url, { signal: AbortSignal.timeout(5000) })
        const text = await response.text()
        if (response.status !== 200 || !pattern.test(text))
          faults.push(`${url}: ${response.status} ${text.slice(0, 99)}`)
      } catch (error) {
        if (!isOver) faults.push(`${url}: ${String((error as Error).cause ?? error)}`)
      }
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  const [, metrics, health] = server.ports
  const polls = Promise.all([
    poll(`http://127.0.0.1:${metrics}/metrics`, /^coredns_dns_requests_total/m),
    poll(`http://127.0.0.1:${health}/health`, /^OK$/),
  ])
  return {
    async stop() {
      isOver = true
      await polls
      return faults
    },
  }
}

export interface KillsResult {
  readonly sent: number
  readonly lost: number
  /** Milliseconds from each kill until all workers served again, sorted. */
  readonly timesMs: number[]
}

/**
 * `rounds` SIGKILLs, each of one worker: at most 3 lost per kill, at full strength again within `wholeMsMax` (the median).
 * The kernel frees a dead process's memory before it closes its sockets, which takes 10 to 20 ms: what arrives there
 * meanwhile is lost, so the rate decides how much that is.
 */
export async function kills(options: SoakOptions & { readonly wholeMsMax: number }): Promise<KillsResult> {
  const { rounds, processes, perSecond, onRound, wholeMsMax } = options
  const upstream = await openUpstream()
  const server = await startServer(corefile(upstream.port, 0), {
    files: { 'db.soak.example': ZONE },
    args: ['-processes', String(processes)],
  })
  let steady: Steady | undefined
  try {
    const wrong: string[] = []
    const asked = questions()
    steady = steadyQueries({
      port: server.port,
      perSecond,
      clients: 128,
      queries: asked.map(({ query }) => query),
      onReply(reply, _, query) {
        const fault = asked[query]!.check(reply)
        if (fault !== undefined) wrong.push(fault)
      },
    })
    const timesMs: number[] = []
    for (let round = 1; round <= rounds; round++) {
      const socketsBefore = udpSockets(server.port)
      const victim = (await server.workers())[round % processes]!
      const killedAtMs = performance.now()
      process.kill(victim, 'SIGKILL')
      await until('its sockets are gone', () => udpSockets(server.port) < socketsBefore)
      await until('all serve', () => udpSockets(server.port) === socketsBefore, 10_000)
      timesMs.push(performance.now() - killedAtMs)
      assert.deepEqual(wrong, [])
      assert.ok(steady.lost <= 3 * round, `${steady.lost} lost in ${round} kills`)
      onRound?.(round, rounds)
      // A worker that lived a while is replaced at once; one that dies young backs off.
      await new Promise((resolve) => setTimeout(resolve, 1000))
    }
    const { sent, lost } = await steady.stop()
    timesMs.sort((a, b) => a - b)
    assert.deepEqual(wrong, [])
    assert.ok(lost <= 3 * rounds, `${lost} lost in ${rounds} kills`)
    assert.ok(timesMs[rounds >> 1]! <= wholeMsMax, `full strength after ${timesMs.map(Math.round)} ms`)
    return { sent, lost, timesMs }
  } finally {
    await steady?.stop()
    await server.stop()
    upstream.close()
  }
}

/** A worker opens its sockets last, when all else is ready. */
function udpSockets(port: number): number {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return ['/proc/net/udp', '/proc/net/udp6']
    .flatMap((file) => readFileSync(file, 'latin1').split('\n'))
    .filter((line) => line.trim().split(/\s+/)[1]?.endsWith(suffix)).length
}

/**
 * `rounds` new versions of a zone file under steady polling, over UDP and TCP, of its SOA, a name, a wildcard and a
 * name that comes and goes: no older answer to a query sent after any client saw a newer one.
 */
export async function zoneChanges({ rounds, processes, perSecond, onRound }: SoakOptions): Promise<{ sent: number }> {
  const server = await startServer(
    'soak.example:PORT {\n  errors\n  cache\n  file db.soak.example {\n    reload 100ms\n  }\n}\n',
    { files: { 'db.soak.example': zoneVersion(1) }, args: ['-processes', String(processes)] },
  )
  let steady: Steady | undefined
  try {
    const wrong: string[] = []
    const newest = { serial: 0, atMs: 0 }
    const names = ['www', 'a.wild', 'sometimes']
    steady = steadyQueries({
      port: server.port,
      perSecond,
      tcpClients: 8,
      clients: 64,
      queries: names.map((name) => composeTestQuery(`${name}.soak.example`, TXT)),
      onReply(reply, sentAtMs, query) {
        const serial = serialOf(reply)
        if (serial < newest.serial && sentAtMs > newest.atMs)
          wrong.push(`${names[query]}: version ${serial} after ${newest.serial}`)
        if (names[query] === 'sometimes' && decodeReply(reply).rcode !== (serial % 2 === 0 ? 0 : NXDOMAIN))
          wrong.push(`version ${serial} of ${names[query]} has RCODE ${decodeReply(reply).rcode}`)
        if (serial > newest.serial) Object.assign(newest, { serial, atMs: performance.now() })
      },
    })
    for (let serial = 2; serial <= rounds + 1; serial++) {
      // As editors and ConfigMaps do it: the file is whole at every moment.
      writeFileSync(join(server.folder, 'next'), zoneVersion(serial))
      renameSync(join(server.folder, 'next'), join(server.folder, 'db.soak.example'))
      await until(`version ${serial} is served`, () => newest.serial === serial, 10_000)
      assert.deepEqual(wrong, [])
      onRound?.(serial - 1, rounds)
    }
    const { sent, lost } = await steady.stop()
    assert.deepEqual(wrong, [])
    assert.equal(lost, 0, `${lost} of ${sent} lost`)
    return { sent }
  } finally {
    await steady?.stop()
    await server.stop()
  }
}

/** Every answer says by which version it was made: in a TXT, or in the SOA of a denial. */
function zoneVersion(serial: number): string {
  return `$ORIGIN soak.example.
@ 60 IN SOA ns hostmaster ${serial} 3600 600 86400 60
@ 60 IN NS ns
ns 60 IN A 192.0.2.1
www 60 IN TXT ${serial}
*.wild 60 IN TXT ${serial}
${serial % 2 === 0 ? `sometimes 60 IN TXT ${serial}` : ''}
`
}

function serialOf(reply: Uint8Array): number {
  const text = textOf(reply)
  if (text !== '') return Number(text)
  const soa = decodeReply(reply).sections[1][0]!.rdata
  // Serial, refresh, retry, expire and minimum are the last five numbers.
  return Number.parseInt(soa.slice(-40, -32), 16)
}
