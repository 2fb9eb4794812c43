/**
 * One TCP connection. RFC 7766: many queries at once, each answered when its answer is there.
 *
 *   chunk ─► frames ─► handler ─► reply ───────────────► out ─► one write per chunk
 *     │ rest             └ REPLY_LATER: inFlight + 1
 *     ▼                                    sendLater ─► corked writes ─► flushLater
 *   partial: a frame that has not come whole
 *
 * Not read from (`paused`) while too many of its queries wait, too many octets of answers wait, its turn is over, or
 * the listener is held. What had been read by then waits in `#chunk`.
 */
import type { Socket } from 'node:net'
import type { Client } from '../chain/plugin.ts'
import { HEADER_SIZE } from '../wire/parsed-query.ts'
import { putAddress } from './client-address.ts'
import { NO_REPLY, type QueryHandler, REPLY_LATER, type ReplyPort } from './query-handler.ts'
import type { TableEntry, TcpTable } from './tcp-table.ts'

/** RFC 1035 section 4.2.2. */
export const LENGTH_SIZE = 2
export const MESSAGE_SIZE_MAX = 65535
/** A partial frame's buffer starts at this size and doubles: a client that only announces 65535 octets costs this much. */
const PARTIAL_SIZE_MIN = 512
/** Answers to one chunk are written when they reach this size. */
const WRITE_SIZE = 64 * 1024
const OUT_SIZE = WRITE_SIZE + LENGTH_SIZE + MESSAGE_SIZE_MAX
/** Queries of a connection that stay unanswered this long are given up with it; the engine answers all within 10 s. */
const IN_FLIGHT_MS_MAX = 30_000

/** Where replies of the chunk being handled are put together; one per thread, because handling never waits. */
const out = Buffer.allocUnsafeSlow(OUT_SIZE)

/** The listener that a connection came in on. */
export interface ConnectionOwner {
  readonly table: TcpTable
  readonly handler: QueryHandler
  readonly listenerId: number
  readonly held: boolean
  /** The listener is held and the connection has frames: `work` it when it is released. */
  holdBack(connection: TcpConnection): void
  /** Queries were handled: tell the engine at the turn's end. */
  mark(): void
  /** The connection has frames left: `work` it again after the others had their turn. */
  later(connection: TcpConnection): void
  /** Answers wait in the connection until `flushLater`. */
  dirty(connection: TcpConnection): void
  flushLater(): void
  closed(connection: TcpConnection): void
}

export class TcpConnection implements ReplyPort, TableEntry {
  readonly clientKey: string
  readonly #socket: Socket
  readonly #owner: ConnectionOwner
  readonly #table: TcpTable
  readonly #client: Client
  #chunk: Buffer | undefined
  #chunkAt = 0
  #partial: Buffer | undefined
  #partialLength = 0
  #inFlight = 0
  #corked = false
  #paused = false
  /** The client sends no more. */
  #ended = false
  /** We read no more: answer what is in flight, then close. */
  #finishing = false
  /** Our end is closed. */
  #finished = false
  #gone = false
  #hasAsked = false
  #activeAt: number
  #messageAt = 0
  #stuckAt = 0
  #stuckLength = 0
  /** What this connection has in `table.bufferedSize`. */
  #accounted = 0

  constructor(socket: Socket, owner: ConnectionOwner) {
    this.#socket = socket
    this.#owner = owner
    this.#table = owner.table
    this.#activeAt = performance.now()
    const address = new Uint8Array(16)
    const text = socket.remoteAddress ?? ''
    const family = putAddress(text, address)
    this.clientKey = family === 6 ? Buffer.from(address.buffer, 0, 8).toString('hex') : text
    this.#client = {
      family,
      address,
      port: socket.remotePort ?? 0,
      listenerId: owner.listenerId,
      tcp: true,
    }
  }

  /** The client vanished between the kernel's accept and ours. */
  get isAnonymous(): boolean {
    return this.#client.family === 0
  }

  get isIdle(): boolean {
    return this.#inFlight === 0 && this.#chunk === undefined && this.#socket.writableLength === 0
  }

  /** Begins to read. */
  start(): void {
    const socket = this.#socket
    socket.on('data', (chunk: Buffer) => this.#onData(chunk))
    socket.on('end', () => {
      this.#ended = true
      this.#settle()
    })
    socket.on('drain', () => this.work())
    socket.on('close', () => this.#onClose())
  }

  /** Handles what can be handled now. */
  work(): void {
    if (this.#gone) return
    const { handler, listenerId, held } = this.#owner
    if (held && this.#chunk !== undefined) this.#owner.holdBack(this)
    this.#client.listenerId = listenerId
    let end = 0
    let frames = 0
    while (this.#chunk !== undefined) {
      if (this.#isBlocked() || frames === this.#table.limits.framesPerTurn) break
      const length = this.#nextFrame()
      if (length < 0) break
      if (length < HEADER_SIZE) {
        this.#table.figures.malformed++
        this.#dropInput()
        this.#finishing = true
        break
      }
      frames++
      this.#inFlight++
      const replyAt = end + LENGTH_SIZE
      const size = handler.handle(
        this.#frameBytes,
        this.#frameAt,
        length,
        this.#client,
        this,
        out,
        replyAt,
        MESSAGE_SIZE_MAX,
      )
      if (size === REPLY_LATER) continue
      this.#inFlight--
      if (size === NO_REPLY) continue
      out[end] = size >>> 8
      out[end + 1] = size & 255
      end = replyAt + size
      this.#table.figures.sent++
      if (end >= WRITE_SIZE) {
        this.#write(end)
        end = 0
      }
    }
    if (frames > 0) {
      this.#table.figures.received += frames
      this.#hasAsked = true
      this.#activeAt = performance.now()
      this.#table.touch(this)
      this.#owner.mark()
    }
    if (end > 0) this.#write(end)
    this.#settle(frames === this.#table.limits.framesPerTurn)
  }

  saveReturnPath(): void {}

  sendLater(_path: Uint8Array, _at: number, bytes: Uint8Array, start: number, length: number): void {
    this.#inFlight--
    if (this.#gone || length === 0 || length > MESSAGE_SIZE_MAX) return
    if (!this.#corked) {
      this.#corked = true
      this.#socket.cork()
      this.#owner.dirty(this)
    }
    const frame = Buffer.allocUnsafe(LENGTH_SIZE + length)
    frame[0] = length >>> 8
    frame[1] = length & 255
    for (let i = 0; i < length; i++) frame[LENGTH_SIZE + i] = bytes[start + i]!
    this.#socket.write(frame)
    this.#table.figures.sent++
  }

  forget(): void {
    this.#inFlight--
    if (!this.#gone) this.#owner.dirty(this)
  }

  flushLater(): void {
    this.#owner.flushLater()
  }

  /** Sends what `sendLater` queued, and reads on if that had been the hindrance. */
  flush(): void {
    if (this.#corked) {
      this.#corked = false
      this.#socket.uncork()
    }
    if (this.#gone) return
    this.#activeAt = performance.now()
    if (this.#socket.writableLength > this.#table.limits.queuedSizeMax) this.#cut()
    else if (this.#chunk !== undefined) this.#owner.later(this)
    else this.#settle()
  }

  /** Reads no more, answers what is in flight, closes. */
  finish(): void {
    this.#finishing = true
    this.#dropInput()
    this.#settle()
  }

  evict(): void {
    this.#socket.destroy()
  }

  sweep(now: number): void {
    const { limits } = this.#table
    const { writableLength } = this.#socket
    if (this.#finished) {
      if (now - this.#activeAt > limits.lingerMs && writableLength === 0) this.#socket.destroy()
    }
    if (writableLength === 0 || writableLength < this.#stuckLength) this.#stuckAt = now
    this.#stuckLength = writableLength
    if (writableLength > 0) {
      if (now - this.#stuckAt > limits.writeMs) this.#cut()
      return
    }
    if (this.#finished) return
    const quiet = now - this.#activeAt
    if (this.#inFlight > 0) {
      if (quiet > IN_FLIGHT_MS_MAX) this.#expire()
    } else if (this.#chunk !== undefined) return
    else if (this.#messageAt > 0 && now - this.#messageAt > limits.messageMs) this.#expire()
    else if (quiet > (this.#hasAsked ? limits.idleMs : limits.firstReadMs)) this.#expire()
  }

  /** The frame that `#nextFrame` found. */
  #frameBytes: Buffer = out
  #frameAt = 0

  /** Length of the next whole frame's message, or -1 when more must be read first. */
  #nextFrame(): number {
    const chunk = this.#chunk!
    if (this.#partial !== undefined) return this.#completePartial(chunk)
    const left = chunk.length - this.#chunkAt
    if (left >= LENGTH_SIZE) {
      const length = (chunk[this.#chunkAt]! << 8) | chunk[this.#chunkAt + 1]!
      if (left >= LENGTH_SIZE + length) {
        this.#frameBytes = chunk
        this.#frameAt = this.#chunkAt + LENGTH_SIZE
        this.#advance(LENGTH_SIZE + length)
        return length
      }
    }
    this.#partial = Buffer.allocUnsafe(Math.max(PARTIAL_SIZE_MIN, left))
    this.#partialLength = 0
    this.#messageAt = performance.now()
    return this.#completePartial(chunk)
  }

  #completePartial(chunk: Buffer): number {
    for (;;) {
      const have = this.#partialLength
      const partial = this.#partial!
      const want = have < LENGTH_SIZE ? LENGTH_SIZE : LENGTH_SIZE + ((partial[0]! << 8) | partial[1]!)
      if (have >= LENGTH_SIZE && have === want) {
        this.#partial = undefined
        this.#partialLength = 0
        this.#messageAt = 0
        this.#frameBytes = partial
        this.#frameAt = LENGTH_SIZE
        return want - LENGTH_SIZE
      }
      if (this.#chunk === undefined) return -1
      const take = Math.min(want - have, chunk.length - this.#chunkAt)
      const room = this.#partialRoom(have + take)
      chunk.copy(room, have, this.#chunkAt, this.#chunkAt + take)
      this.#partialLength = have + take
      this.#advance(take)
    }
  }

  #partialRoom(size: number): Buffer {
    const partial = this.#partial!
    if (partial.length >= size) return partial
    const larger = Buffer.allocUnsafeSlow(Math.max(size, Math.min(2 * partial.length, LENGTH_SIZE + MESSAGE_SIZE_MAX)))
    partial.copy(larger, 0, 0, this.#partialLength)
    this.#partial = larger
    return larger
  }

  #advance(size: number): void {
    this.#chunkAt += size
    if (this.#chunkAt === this.#chunk!.length) this.#chunk = undefined
  }

  #onData(chunk: Buffer): void {
    if (this.#finishing) return
    if (this.#chunk === undefined) {
      this.#chunk = chunk
      this.#chunkAt = 0
    } else {
      // Read before the pause took effect.
      this.#chunk = Buffer.concat([this.#chunk.subarray(this.#chunkAt), chunk])
      this.#chunkAt = 0
    }
    if (!this.#paused) this.work()
    else this.#account()
  }

  #isBlocked(): boolean {
    const { limits } = this.#table
    return (
      this.#owner.held ||
      this.#inFlight >= limits.queriesInFlightMax ||
      this.#socket.writableLength > limits.queuedSizeHigh
    )
  }

  /** After anything happened: reads on, waits, or closes. */
  #settle(turnIsOver = false): void {
    if (this.#gone || this.#finished) return
    if (this.#chunk !== undefined) {
      if (!this.#paused) {
        this.#paused = true
        this.#socket.pause()
      }
      if (turnIsOver && !this.#isBlocked()) this.#owner.later(this)
    } else if (this.#paused && !this.#isBlocked()) {
      this.#paused = false
      this.#socket.resume()
    }
    this.#account()
    if ((this.#ended || this.#finishing) && this.#inFlight === 0 && this.#chunk === undefined) {
      if (this.#partial !== undefined) this.#table.figures.timedOut++
      this.#end()
    }
  }

  #end(): void {
    this.#finished = true
    this.#finishing = true
    this.#activeAt = performance.now()
    // What the client still sends is read and dropped, so that our answers arrive before a reset could.
    if (this.#paused) this.#socket.resume()
    this.#socket.end()
  }

  #write(end: number): void {
    if (this.#gone) return
    this.#socket.write(Buffer.from(out.subarray(0, end)))
    if (this.#socket.writableLength > this.#table.limits.queuedSizeMax) this.#cut()
  }

  /** Counts what waits here, if it is stalled; cuts it when all stalled ones together hold too much. */
  #account(): void {
    const stalled = this.#chunk !== undefined || this.#partial !== undefined || this.#socket.writableLength > 0
    const size = stalled
      ? (this.#chunk?.length ?? 0) +
        (this.#partial?.length ?? 0) +
        this.#socket.readableLength +
        this.#socket.writableLength
      : 0
    const grows = size > this.#accounted
    this.#table.bufferedSize += size - this.#accounted
    this.#accounted = size
    if (grows && this.#table.bufferedSize > this.#table.limits.bufferedSizeMax) this.#cut()
  }

  #dropInput(): void {
    this.#chunk = undefined
    this.#partial = undefined
    this.#partialLength = 0
    this.#messageAt = 0
  }

  #expire(): void {
    this.#table.figures.timedOut++
    this.#dropInput()
    this.#end()
  }

  #cut(): void {
    if (this.#gone) return
    this.#table.figures.cut++
    this.#socket.destroy()
    this.#onClose()
  }

  #onClose(): void {
    if (this.#gone) return
    this.#gone = true
    this.#dropInput()
    this.#table.bufferedSize -= this.#accounted
    this.#accounted = 0
    this.#table.remove(this)
    this.#owner.closed(this)
  }
}
