/**
 * UDP sockets as the worker uses them. Two kinds stand behind this interface: `dgram`, packet by packet over node:dgram,
 * and `mmsg`, in batches over recvmmsg and sendmmsg. A batch is: `handler.handle` for each packet, replies that are ready
 * put into an arena of the socket's own, `handler.flush` once, then one sending of the arena.
 */
import type { QueryHandler, ReplyPort } from './query-handler.ts'

export interface UdpSocketOptions {
  readonly listenerId: number
  /** IP address, with `%zone` for a link-local one; '' means all addresses, IPv6 and IPv4. */
  readonly address: string
  /** 0 lets the kernel choose: for tests. */
  readonly port: number
  /** SO_REUSEPORT: other processes bind the same address, the kernel spreads flows over them. */
  readonly reusePort: boolean
  readonly handler: QueryHandler
}

/** Counts since the socket was opened. */
export interface UdpFigures {
  received: number
  sent: number
  /** Queries from port 0 or from no address: nobody to answer. */
  unanswerable: number
  /** Replies that the destination, the route or a filter refused. */
  refused: number
  /** Replies dropped because the kernel took no more. */
  congested: number
  /** Errors on receiving, ICMP errors among them. */
  receiveErrors: number
  /** Queries dropped because too many came while the socket was held. */
  heldDropped: number
  /** Datagrams that the kernel dropped for want of receive buffer; 0 where it does not tell. */
  kernelDrops: number
}

export interface UdpSocket extends ReplyPort {
  readonly port: number
  /** From the next query on another engine answers, under another number of the listener. */
  serve(handler: QueryHandler, listenerId: number): void
  /** Reads nothing until `release`; what comes meanwhile waits. */
  hold(): void
  release(): void
  /** Reads what has arrived by now and nothing after; replies can still be sent. */
  stop(): Promise<void>
  close(): Promise<void>
  figures(): UdpFigures
}

export interface UdpTransport {
  readonly name: 'mmsg' | 'dgram'
  /** Why this one and not the other, for the operator. */
  readonly reason: string
  /** Rejects with the system's error when the address can't be bound. */
  open(options: UdpSocketOptions): Promise<UdpSocket>
}
