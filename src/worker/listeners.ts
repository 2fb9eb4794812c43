/**
 * All sockets of a worker. A reload opens what is new beside what is open, then moves the sockets that stay to the new
 * engine, and closes the rest when the old engine has answered what it had taken.
 */
import type { ListenerConfig, ServerConfig } from '../corefile/server-config.ts'
import type { QueryHandler } from './query-handler.ts'
import { TCP_LIMITS, type TcpLimits } from './tcp-limits.ts'
import { TcpServer } from './tcp-server.ts'
import { TcpTable } from './tcp-table.ts'
import type { UdpFigures, UdpSocket, UdpTransport } from './udp-transport.ts'

/** Sockets of one address in one process; `multisocket` asks for up to 1024 in all. */
const SOCKETS_MAX = 1024

/** A listener that can't be opened. */
export class ListenError extends Error {
  readonly code = 'SHOAL_LISTEN'

  constructor(protocol: 'udp' | 'tcp', address: string, port: number, cause: NodeJS.ErrnoException) {
    const where = `${address.includes(':') ? `[${address}]` : address}:${port}`
    super(`listen ${protocol} ${where}: ${describe(cause)}`, { cause })
    this.name = 'ListenError'
  }
}

function describe({ code, message }: NodeJS.ErrnoException): string {
  if (code === 'EADDRINUSE') return 'address already in use'
  if (code === 'EACCES') return 'permission denied (ports below 1024 need root or CAP_NET_BIND_SERVICE)'
  if (code === 'EADDRNOTAVAIL') return 'cannot assign requested address: no interface of this machine has it'
  return message
}

/** The sockets of one address. */
interface Sockets {
  readonly udp: UdpSocket[]
  readonly tcp: TcpServer[]
}

export interface ListenersOptions {
  readonly transport: UdpTransport
  readonly reusePort: boolean
  /** Worker processes: `multisocket` counts the sockets of all of them. */
  readonly processes: number
  readonly limits?: TcpLimits
}

/** What a reload is about to change. */
export interface ListenerChange {
  /** All listeners answer with the new handler from now on. Sockets that nobody wants any more stop reading. */
  commit(): void
  /** After `commit`, when the old engine is done: closes what stopped. */
  finish(): Promise<void>
  /** Instead of `commit`: closes what was opened. */
  abandon(): Promise<void>
}

export class Listeners {
  readonly table: TcpTable
  readonly #options: ListenersOptions
  readonly #open = new Map<string, Sockets>()
  /** Counts stay in the sum while sockets close, and after. */
  readonly #leavingUdp = new Set<UdpSocket>()
  readonly #closedUdp: UdpFigures = emptyUdpFigures()

  constructor(options: ListenersOptions) {
    this.#options = options
    this.table = new TcpTable(options.limits ?? TCP_LIMITS)
  }

  /**
   * Opens the listeners of `config` that aren't open; they serve at once. Those that are open go on as they are until
   * `commit`. Rejects with ListenError, nothing being open that wasn't before.
   */
  async prepare(config: ServerConfig, handler: QueryHandler): Promise<ListenerChange> {
    const added: [key: string, sockets: Sockets][] = []
    const closeAdded = async (): Promise<void> => {
      await Promise.all(added.map(([, sockets]) => closeAll(sockets)))
    }
    try {
      for (const listener of config.listeners) {
        const key = keyOf(listener)
        const sockets: Sockets = { udp: [], tcp: [] }
        added.push([key, sockets])
        const missing = this.#socketCount(listener) - (this.#open.get(key)?.udp.length ?? 0)
        for (let i = 0; i < missing; i++) await this.#openOne(listener, handler, sockets)
      }
    } catch (error) {
      await closeAdded()
      throw error
    }
    let leaving: Sockets = { udp: [], tcp: [] }
    return {
      commit: () => {
        leaving = this.#commit(config, handler, added)
      },
      finish: async () => {
        await closeAll(leaving)
        for (const socket of leaving.udp) {
          this.#leavingUdp.delete(socket)
          addUdpFigures(this.#closedUdp, socket.figures())
        }
      },
      abandon: closeAdded,
    }
  }

  hold(): void {
    for (const socket of this.#sockets()) socket.hold()
  }

  release(): void {
    for (const socket of this.#sockets()) socket.release()
  }

  /** Reads no more. Resolves when what had arrived was taken; connections may still be open for their answers. */
  async stop(): Promise<void> {
    await Promise.all([...this.#open.values()].map(stopReading))
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open.values()].map(closeAll))
    this.#open.clear()
  }

  udpFigures(): UdpFigures {
    const sum = emptyUdpFigures()
    addUdpFigures(sum, this.#closedUdp)
    for (const socket of this.#leavingUdp) addUdpFigures(sum, socket.figures())
    for (const { udp } of this.#open.values()) for (const socket of udp) addUdpFigures(sum, socket.figures())
    return sum
  }

  #commit(config: ServerConfig, handler: QueryHandler, added: readonly [string, Sockets][]): Sockets {
    for (const [key, sockets] of added) {
      const open = this.#open.get(key)
      if (open === undefined) this.#open.set(key, sockets)
      else {
        open.udp.push(...sockets.udp)
        open.tcp.push(...sockets.tcp)
      }
    }
    const leaving: Sockets = { udp: [], tcp: [] }
    const wanted = new Map(config.listeners.map((listener) => [keyOf(listener), listener]))
    for (const [key, sockets] of this.#open) {
      const listener = wanted.get(key)
      const count = listener === undefined ? 0 : this.#socketCount(listener)
      leaving.udp.push(...sockets.udp.splice(count))
      leaving.tcp.push(...sockets.tcp.splice(count))
      if (listener === undefined) this.#open.delete(key)
      else for (const socket of [...sockets.udp, ...sockets.tcp]) socket.serve(handler, listener.id)
    }
    for (const socket of leaving.udp) this.#leavingUdp.add(socket)
    void stopReading(leaving)
    return leaving
  }

  async #openOne(listener: ListenerConfig, handler: QueryHandler, sockets: Sockets): Promise<void> {
    const { address, port, id: listenerId } = listener
    const { transport, reusePort } = this.#options
    try {
      sockets.udp.push(await transport.open({ listenerId, address, port, reusePort, handler }))
    } catch (error) {
      throw new ListenError('udp', address, port, error as NodeJS.ErrnoException)
    }
    try {
      sockets.tcp.push(await TcpServer.open({ listenerId, address, port, reusePort, handler, table: this.table }))
    } catch (error) {
      throw new ListenError('tcp', address, port, error as NodeJS.ErrnoException)
    }
  }

  /** This process's part of a `multisocket`; without SO_REUSEPORT there can be one only. */
  #socketCount(listener: ListenerConfig): number {
    if (!this.#options.reusePort) return 1
    return Math.min(SOCKETS_MAX, Math.max(1, Math.ceil(listener.sockets / this.#options.processes)))
  }

  *#sockets(): Iterable<UdpSocket | TcpServer> {
    for (const { udp, tcp } of this.#open.values()) {
      yield* udp
      yield* tcp
    }
  }
}

/** Names what a socket is bound to; equal keys are the same socket before and after a reload. */
function keyOf({ transport, address, port }: ListenerConfig): string {
  return `${transport} ${address} ${port}`
}

/** Connections that wait for answers keep a TCP server's stop from resolving: only its reading is awaited. */
async function stopReading({ udp, tcp }: Sockets): Promise<void> {
  for (const server of tcp) void server.stop()
  await Promise.all(udp.map((socket) => socket.stop()))
}

async function closeAll({ udp, tcp }: Sockets): Promise<void> {
  await Promise.all([...udp, ...tcp].map((socket) => socket.close()))
}

function emptyUdpFigures(): UdpFigures {
  return {
    received: 0,
    sent: 0,
    unanswerable: 0,
    refused: 0,
    congested: 0,
    receiveErrors: 0,
    heldDropped: 0,
    kernelDrops: 0,
  }
}

function addUdpFigures(sum: UdpFigures, figures: UdpFigures): void {
  for (const name of Object.keys(sum) as (keyof UdpFigures)[]) sum[name] += figures[name]
}
