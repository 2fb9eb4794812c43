/** Queries at a steady rate over many source ports, so that SO_REUSEPORT spreads them; every reply is looked at. */
import { composeTestQuery, openTcpClient, openUdpClient } from './dns-client.ts'

export interface SteadyOptions {
  readonly port: number
  readonly perSecond: number
  /** Sent in turn; one A query by default. */
  readonly queries?: readonly Uint8Array[]
  /** Source ports of UDP. */
  readonly clients?: number
  /** Connections, beside them. */
  readonly tcpClients?: number
  readonly patienceMs?: number
  readonly onReply?: (reply: Uint8Array, sentAtMs: number, query: number) => void
  readonly onLost?: (query: number) => void
}

export interface SteadyResult {
  readonly sent: number
  readonly lost: number
}

/** For `await using`: a test that fails would never end while queries go on. */
export interface Steady extends AsyncDisposable {
  readonly sent: number
  readonly lost: number
  /** Resolves when the last query was answered or given up. */
  stop(): Promise<SteadyResult>
}

const TURN_MS = 5

/** Runs until `stop` is called. */
export function steadyQueries(options: SteadyOptions): Steady {
  const { port, perSecond, patienceMs = 2000, onReply, onLost } = options
  const clients = [
    ...Array.from({ length: options.clients ?? 32 }, () => openUdpClient(port)),
    ...Array.from({ length: options.tcpClients ?? 0 }, () => openTcpClient(port)),
  ]
  const queries = options.queries ?? [composeTestQuery('now.example', 1)]
  const startedAt = performance.now()
  const waiting = new Set<Promise<void>>()
  let sent = 0
  let lost = 0
  const timer = setInterval(() => {
    const due = ((performance.now() - startedAt) * perSecond) / 1000
    // After a pause of this process the rest comes at once, but not more than a socket's buffer holds.
    for (let i = 0; i < 100 && sent < due; i++) {
      const sentAtMs = performance.now()
      // Every client sends every query in time.
      const query = (sent + Math.floor(sent / clients.length)) % queries.length
      const asked = clients[sent++ % clients.length]!.ask(queries[query]!, patienceMs).then((reply) => {
        waiting.delete(asked)
        if (reply === undefined) {
          lost++
          onLost?.(query)
        } else onReply?.(reply, sentAtMs, query)
      })
      waiting.add(asked)
    }
  }, TURN_MS)
  const stop = async (): Promise<SteadyResult> => {
    clearInterval(timer)
    await Promise.all(waiting)
    for (const client of clients) client.close()
    return { sent, lost }
  }
  let stopped: Promise<SteadyResult> | undefined
  return {
    get sent() {
      return sent
    },
    get lost() {
      return lost
    },
    stop() {
      stopped ??= stop()
      return stopped
    },
    async [Symbol.asyncDispose]() {
      await this.stop()
    },
  }
}
