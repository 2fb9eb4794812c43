/** Queries at a steady rate over many source ports, so that SO_REUSEPORT spreads them; every reply is looked at. */
import { composeTestQuery, openUdpClient } from './dns-client.ts'

export interface SteadyOptions {
  readonly port: number
  readonly perSecond: number
  readonly qname?: string
  /** Source ports. */
  readonly clients?: number
  readonly patienceMs?: number
  readonly onReply?: (reply: Uint8Array, sentAtMs: number) => void
}

export interface SteadyResult {
  readonly sent: number
  readonly lost: number
}

const TURN_MS = 5

/** Runs until `stop` is called, which resolves when the last query was answered or given up. */
export function steadyQueries(options: SteadyOptions): { readonly sent: number; stop(): Promise<SteadyResult> } {
  const { port, perSecond, qname = 'now.example', patienceMs = 2000, onReply } = options
  const clients = Array.from({ length: options.clients ?? 32 }, () => openUdpClient(port))
  const query = composeTestQuery(qname, 1)
  const startedAt = performance.now()
  const waiting = new Set<Promise<void>>()
  let sent = 0
  let lost = 0
  const timer = setInterval(() => {
    const due = ((performance.now() - startedAt) * perSecond) / 1000
    // After a pause of this process the rest comes at once, but not more than a socket's buffer holds.
    for (let i = 0; i < 100 && sent < due; i++) {
      const sentAtMs = performance.now()
      const asked = clients[sent++ % clients.length]!.ask(query, patienceMs).then((reply) => {
        waiting.delete(asked)
        if (reply === undefined) lost++
        else onReply?.(reply, sentAtMs)
      })
      waiting.add(asked)
    }
  }, TURN_MS)
  return {
    get sent() {
      return sent
    },
    async stop() {
      clearInterval(timer)
      await Promise.all(waiting)
      for (const client of clients) client.close()
      return { sent, lost }
    },
  }
}
