/** DNS over TCP on one address: accepts connections and gives each its turn. What a connection does: tcp-connection.ts. */
import net from 'node:net'
import type { QueryHandler } from './query-handler.ts'
import { type ConnectionOwner, TcpConnection } from './tcp-connection.ts'
import type { TcpTable } from './tcp-table.ts'
import { TurnEnd } from './turn-end.ts'

/** Connections that wait for accept; the kernel grants at most net.core.somaxconn. */
const BACKLOG = 4096

export interface TcpServerOptions {
  readonly listenerId: number
  /** IP address, with `%zone` for a link-local one; '' means all addresses, IPv6 and IPv4. */
  readonly address: string
  readonly port: number
  readonly reusePort: boolean
  readonly handler: QueryHandler
  readonly table: TcpTable
}

export class TcpServer implements ConnectionOwner {
  readonly port: number
  readonly table: TcpTable
  handler: QueryHandler
  listenerId: number
  held = false
  readonly #server: net.Server
  readonly #turnEnd: TurnEnd
  readonly #connections = new Set<TcpConnection>()
  readonly #dirty = new Set<TcpConnection>()
  readonly #ready = new Set<TcpConnection>()
  readonly #heldBack = new Set<TcpConnection>()
  #readyScheduled = false
  #stopping: Promise<void> | undefined

  private constructor(server: net.Server, options: TcpServerOptions) {
    this.#server = server
    this.port = (server.address() as net.AddressInfo).port
    this.table = options.table
    this.handler = options.handler
    this.listenerId = options.listenerId
    this.#turnEnd = new TurnEnd(options.handler)
    server.on('connection', (socket) => this.#accept(socket))
    // Out of descriptors, mostly: those that wait in the backlog are accepted when there are some again.
    server.on('error', () => {
      this.table.figures.errors++
    })
  }

  /** Rejects with the system's error when the address can't be bound. */
  static open(options: TcpServerOptions): Promise<TcpServer> {
    // Half-open: a client may close its end after its last query and still wants the answers (RFC 7766 section 6.2.4).
    // The high-water mark decides when 'drain' comes, which is when a connection that was blocked by its answers goes on.
    const highWaterMark = options.table.limits.queuedSizeHigh
    const server = net.createServer({ allowHalfOpen: true, noDelay: true, highWaterMark })
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      const { address, port, reusePort } = options
      // Without a host it is `::`, or 0.0.0.0 where the kernel has no IPv6.
      const host = address === '' ? {} : { host: address }
      server.listen({ ...host, port, backlog: BACKLOG, reusePort, exclusive: reusePort }, () => {
        server.removeAllListeners('error')
        resolve(new TcpServer(server, options))
      })
    })
  }

  /** From the next query on another engine answers, under another number of the listener. */
  serve(handler: QueryHandler, listenerId: number): void {
    this.#turnEnd.flush()
    this.#turnEnd.handler = handler
    this.handler = handler
    this.listenerId = listenerId
  }

  /** Handles no query until `release`. */
  hold(): void {
    this.held = true
  }

  release(): void {
    this.held = false
    const heldBack = [...this.#heldBack]
    this.#heldBack.clear()
    for (const connection of heldBack) connection.work()
  }

  /** Accepts and reads no more; connections close when their queries are answered. Resolves when all are. */
  stop(): Promise<void> {
    this.#stopping ??= new Promise((resolve) => this.#server.close(() => resolve()))
    for (const connection of this.#connections) connection.finish()
    return this.#stopping
  }

  /** Closes whatever is open. */
  async close(): Promise<void> {
    const stopped = this.stop()
    for (const connection of this.#connections) connection.evict()
    await stopped
  }

  mark(): void {
    this.#turnEnd.mark()
  }

  later(connection: TcpConnection): void {
    this.#ready.add(connection)
    if (this.#readyScheduled) return
    this.#readyScheduled = true
    setImmediate(() => this.#workReady())
  }

  holdBack(connection: TcpConnection): void {
    this.#heldBack.add(connection)
  }

  dirty(connection: TcpConnection): void {
    this.#dirty.add(connection)
  }

  flushLater(): void {
    for (const connection of this.#dirty) connection.flush()
    this.#dirty.clear()
  }

  closed(connection: TcpConnection): void {
    this.#connections.delete(connection)
    this.#dirty.delete(connection)
    this.#ready.delete(connection)
    this.#heldBack.delete(connection)
  }

  #workReady(): void {
    this.#readyScheduled = false
    const ready = [...this.#ready]
    this.#ready.clear()
    for (const connection of ready) connection.work()
  }

  #accept(socket: net.Socket): void {
    socket.on('error', () => {
      this.table.figures.errors++
    })
    const connection = new TcpConnection(socket, this)
    if (this.#stopping !== undefined || connection.isAnonymous) {
      socket.destroy()
      return
    }
    if (!this.table.admit(connection)) {
      this.table.figures.refused++
      socket.destroy()
      return
    }
    this.table.figures.accepted++
    this.#connections.add(connection)
    connection.start()
  }
}
