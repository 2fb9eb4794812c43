/**
 * DNS over HTTPS to one upstream (RFC 8484): one HTTP/2 session that carries all queries as streams, or kept HTTP/1.1
 * connections where the server has no HTTP/2. Message IDs are 0 (section 4.1): HTTP says which reply is whose.
 */
import type http2 from 'node:http2'
import type https from 'node:https'
import type tls from 'node:tls'
import { builtins } from '../../../node-builtins.ts'
import { type Carrier, type Exchange, FRAME_SIZE, patienceMs } from './exchange.ts'
import { RECONNECT_DELAYS_MS, STREAMS_MAX } from './limits.ts'
import { systemErrorText } from './system-errors.ts'
import type { TimingWheel } from './timing-wheel.ts'
import { tlsIdentity } from './tls-identity.ts'
import { addressAndPort, type UpstreamOptions } from './upstream-address.ts'
import type { UpstreamEvents } from './upstream-events.ts'

/** Connecting included. */
const HTTPS_TIMEOUT_MS = 2000
const MESSAGE_SIZE_MAX = 65535
const PATH = '/dns-query'
const MEDIA_TYPE = 'application/dns-message'

/** One request in flight. The exchange may be sent again later: events of the old request must not reach it. */
interface Running {
  readonly exchange: Exchange
  /** Undefined while the session is being opened. */
  abandon: (() => void) | undefined
}

export class HttpsSession implements Carrier {
  waiting = 0
  readonly #options: UpstreamOptions
  readonly #wheel: TimingWheel
  readonly #events: UpstreamEvents
  readonly #tlsOptions: tls.ConnectionOptions
  readonly #authority: string
  readonly #running = new Map<Exchange, Running>()
  /** Exchanges that wait for the session. */
  #early: Running[] = []
  #session: http2.ClientHttp2Session | undefined
  #connecting: tls.TLSSocket | undefined
  #agent: https.Agent | undefined
  #tlsSession: Buffer | undefined
  #openedMs = 0
  #answered = false
  #failuresInARow = 0
  #connectNotBeforeMs = 0
  #lastFailure = ''
  #idle: NodeJS.Timeout | undefined
  #closed = false

  constructor(options: UpstreamOptions, wheel: TimingWheel, events: UpstreamEvents) {
    this.#options = options
    this.#wheel = wheel
    this.#events = events
    const { host, port, serverName } = options.address
    this.#tlsOptions = {
      host,
      port,
      minVersion: 'TLSv1.2',
      secureContext: builtins.tls.createSecureContext({ ...options.tls, minVersion: 'TLSv1.2' }),
      ...tlsIdentity(serverName),
      ...(options.sourceAddress === undefined ? {} : { localAddress: options.sourceAddress }),
    }
    const shown = serverName ?? (host.includes(':') ? `[${host.replace(/%.*$/, '')}]` : host)
    this.#authority = port === 443 ? shown : `${shown}:${port}`
  }

  send(exchange: Exchange, nowMs: number): void {
    clearTimeout(this.#idle)
    const { maxAgeMs } = this.#options
    if (this.#session !== undefined && maxAgeMs > 0 && nowMs - this.#openedMs > maxAgeMs) this.#retireSession()
    exchange.id = 0
    exchange.frame[FRAME_SIZE] = 0
    exchange.frame[FRAME_SIZE + 1] = 0
    const isOpen = this.#session !== undefined || this.#agent !== undefined || this.#connecting !== undefined
    if (!isOpen && nowMs < this.#connectNotBeforeMs) {
      exchange.onFailure('broken', this.#lastFailure)
      return
    }
    exchange.carrier = this
    this.waiting++
    const running: Running = { exchange, abandon: undefined }
    this.#running.set(exchange, running)
    this.#wheel.add(exchange, patienceMs(exchange, nowMs, HTTPS_TIMEOUT_MS))
    if (this.#session !== undefined) this.#requestOverHttp2(this.#session, running)
    else if (this.#agent !== undefined) this.#requestOverHttp1(this.#agent, running)
    else {
      this.#early.push(running)
      if (this.#connecting === undefined) this.#connect(nowMs)
    }
  }

  onExchangeTimeout(exchange: Exchange): void {
    this.#abandon(exchange)
    const upstream = addressAndPort(this.#options.address)
    exchange.onFailure('timeout', `Post "https://${upstream}${PATH}": context deadline exceeded`)
  }

  release(exchange: Exchange): void {
    this.#wheel.remove(exchange)
    exchange.carrier = undefined
    this.#abandon(exchange)
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#idle)
    for (const running of [...this.#running.values()]) this.#fail(running, 'broken', 'upstream is being closed')
    this.#connecting?.destroy()
    this.#session?.destroy()
    this.#agent?.destroy()
  }

  #connect(nowMs: number): void {
    this.#openedMs = nowMs
    this.#answered = false
    const socket = builtins.tls.connect({
      ...this.#tlsOptions,
      ALPNProtocols: ['h2', 'http/1.1'],
      ...(this.#tlsSession === undefined ? {} : { session: this.#tlsSession }),
    })
    this.#connecting = socket
    socket.on('session', (session) => {
      this.#tlsSession = session
    })
    const failed = (error: Error) => this.#onConnectFailure(socket, error)
    socket.once('error', failed)
    socket.once('close', () => failed(new Error('EOF')))
    socket.once('secureConnect', () => {
      if (this.#connecting !== socket) return
      socket.off('error', failed)
      this.#connecting = undefined
      const early = this.#early
      this.#early = []
      if (socket.alpnProtocol === 'h2') {
        const session = this.#openHttp2(socket)
        for (const running of early) if (this.#isCurrent(running)) this.#requestOverHttp2(session, running)
      } else {
        socket.on('error', () => {})
        socket.destroy()
        const agent = new builtins.https.Agent({
          ...(this.#tlsOptions as https.AgentOptions),
          keepAlive: true,
          maxSockets: STREAMS_MAX,
          ...(this.#options.maxIdleConnections > 0 ? { maxFreeSockets: this.#options.maxIdleConnections } : {}),
        })
        this.#agent = agent
        for (const running of early) if (this.#isCurrent(running)) this.#requestOverHttp1(agent, running)
      }
    })
  }

  #onConnectFailure(socket: tls.TLSSocket, error: Error): void {
    if (this.#connecting !== socket) return
    this.#connecting = undefined
    socket.on('error', () => {})
    socket.destroy()
    const reason = `dial tcp ${addressAndPort(this.#options.address)}: ${systemErrorText('connect', error)}`
    this.#noteFailure(reason)
    const early = this.#early
    this.#early = []
    for (const running of early) this.#fail(running, 'broken', reason)
  }

  #openHttp2(socket: tls.TLSSocket): http2.ClientHttp2Session {
    const session = builtins.http2.connect(`https://${this.#authority}`, { createConnection: () => socket })
    this.#session = session
    const ended = (): void => {
      if (this.#session === session) {
        this.#session = undefined
        if (!this.#answered) this.#noteFailure('EOF')
      }
    }
    session.on('error', ended)
    session.on('goaway', ended)
    session.on('close', ended)
    return session
  }

  #requestOverHttp2(session: http2.ClientHttp2Session, running: Running): void {
    const { method, path, body } = this.#request(running.exchange)
    let stream: http2.ClientHttp2Stream
    try {
      stream = session.request({
        ':method': method,
        ':path': path,
        accept: MEDIA_TYPE,
        ...(body === undefined ? {} : { 'content-type': MEDIA_TYPE, 'content-length': body.length }),
      })
    } catch (error) {
      // The session ended in this very turn.
      this.#fail(running, this.#answered ? 'stale' : 'broken', (error as Error).message)
      return
    }
    const wasAnswered = this.#answered
    running.abandon = () => stream.close(builtins.http2.constants.NGHTTP2_CANCEL)
    let status = 0
    stream.on('response', (headers) => {
      status = headers[':status'] ?? 0
    })
    this.#collect(
      stream,
      running,
      () => status,
      () => wasAnswered,
    )
    if (body === undefined) stream.end()
    else stream.end(body)
  }

  #requestOverHttp1(agent: https.Agent, running: Running): void {
    const { method, path, body } = this.#request(running.exchange)
    const request = builtins.https.request({
      ...(this.#tlsOptions as https.RequestOptions),
      agent,
      method,
      path,
      headers: {
        host: this.#authority,
        accept: MEDIA_TYPE,
        ...(body === undefined ? {} : { 'content-type': MEDIA_TYPE, 'content-length': body.length }),
      },
    })
    running.abandon = () => request.destroy()
    request.on('response', (response) => {
      this.#collect(
        response,
        running,
        () => response.statusCode ?? 0,
        () => false,
      )
    })
    request.on('error', (error) => {
      const reason = systemErrorText('read', error)
      if (!request.reusedSocket) this.#noteFailure(reason)
      this.#fail(running, request.reusedSocket ? 'stale' : 'broken', reason)
    })
    request.end(body)
  }

  #request(exchange: Exchange): { method: 'POST' | 'GET'; path: string; body: Uint8Array | undefined } {
    const message = exchange.frame.subarray(FRAME_SIZE)
    if (this.#options.dohMethod === 'POST') return { method: 'POST', path: PATH, body: message }
    return { method: 'GET', path: `${PATH}?dns=${Buffer.from(message).toString('base64url')}`, body: undefined }
  }

  #collect(source: NodeJS.ReadableStream, running: Running, status: () => number, wasKept: () => boolean): void {
    const chunks: Buffer[] = []
    let size = 0
    source.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size <= MESSAGE_SIZE_MAX) chunks.push(chunk)
      else this.#fail(running, 'broken', `a reply larger than ${MESSAGE_SIZE_MAX} octets`)
    })
    let ended = false
    const finish = (): void => {
      if (ended && status() !== 0) this.#onMessage(running, status(), Buffer.concat(chunks))
    }
    source.on('end', () => {
      ended = true
      finish()
    })
    source.on('error', (error: Error) =>
      this.#fail(running, wasKept() ? 'stale' : 'broken', systemErrorText('read', error)),
    )
    source.on('close', () => {
      // HTTP/2 may end a body before its status was heard of; now both are known.
      finish()
      this.#fail(running, wasKept() ? 'stale' : 'broken', 'EOF')
    })
  }

  #onMessage(running: Running, status: number, message: Uint8Array): void {
    if (!this.#isCurrent(running)) return
    const { exchange } = running
    this.#answered = true
    this.#failuresInARow = 0
    this.#connectNotBeforeMs = 0
    if (status !== 200) {
      this.#fail(running, 'broken', `unexpected HTTP status ${status}`)
      return
    }
    if (message.length < 2 || message[0] !== 0 || message[1] !== 0 || exchange.judge(message) === 'ignore') {
      this.#events.ignored()
      this.#fail(running, 'broken', 'a reply that does not fit the query')
      return
    }
    this.#wheel.remove(exchange)
    exchange.carrier = undefined
    this.#forget(exchange)
    exchange.onReply(message)
  }

  #isCurrent(running: Running): boolean {
    return this.#running.get(running.exchange) === running
  }

  #fail(running: Running, kind: 'broken' | 'stale', reason: string): void {
    if (!this.#isCurrent(running)) return
    const { exchange } = running
    this.#wheel.remove(exchange)
    exchange.carrier = undefined
    this.#abandon(exchange)
    exchange.onFailure(kind, reason)
  }

  #abandon(exchange: Exchange): void {
    const running = this.#running.get(exchange)
    this.#forget(exchange)
    running?.abandon?.()
  }

  #forget(exchange: Exchange): void {
    if (!this.#running.delete(exchange)) return
    this.waiting--
    if (this.waiting > 0 || this.#closed) return
    clearTimeout(this.#idle)
    this.#idle = setTimeout(() => this.#retireSession(), Math.min(this.#options.expireMs, 0x7fffffff))
    this.#idle.unref()
  }

  /** No new streams; those that run end first. */
  #retireSession(): void {
    const session = this.#session
    this.#session = undefined
    session?.close()
  }

  #noteFailure(reason: string): void {
    const delayMs = RECONNECT_DELAYS_MS[Math.min(this.#failuresInARow++, RECONNECT_DELAYS_MS.length - 1)]!
    this.#lastFailure = reason
    this.#connectNotBeforeMs = performance.now() + delayMs
  }
}
