/** A stand-in for what the whole server offers to plugins' primary parts. */
import type { ReloadResult, ServerControl } from '../../src/chain/plugin.ts'
import type { ListenerConfig } from '../../src/corefile/server-config.ts'
import { Registry } from '../../src/observe/prom-client.ts'

export interface FakeServer extends ServerControl {
  isServing: boolean
  hash: string
  listeners: readonly ListenerConfig[]
  /** What `notReady` and `reload` say next. */
  waiting: string[]
  results: ReloadResult[]
  readonly reloads: { readonly reason: string; readonly exceptHash: string | undefined }[]
  sum: Registry
  gathered: number
  /** How long one gathering of `metrics` takes. */
  gatherMs: number
}

export function aServer(): FakeServer {
  const server: FakeServer = {
    isServing: true,
    hash: 'h0',
    listeners: [],
    waiting: [],
    results: [],
    reloads: [],
    sum: new Registry(),
    gathered: 0,
    gatherMs: 10,
    notReady: () => server.waiting,
    reload: async (reason, exceptHash) => {
      server.reloads.push({ reason, exceptHash })
      const result = server.results.shift() ?? { outcome: 'unchanged', hash: server.hash }
      if (result.outcome === 'reloaded') server.hash = result.hash
      return result
    },
    metrics: async () => {
      server.gathered++
      await new Promise((resolve) => setTimeout(resolve, server.gatherMs))
      return server.sum
    },
    fatal: (text) => {
      throw new Error(text)
    },
  }
  return server
}
