/** A proxy in front of the API server that makes trouble when told to: for the API in memory and the real one alike. */
import { createServer, request as httpRequest, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { after } from 'node:test'

/** Of the API server behind it; what comes to the proxy needs none. */
export interface TroubleOptions {
  readonly ca?: string
  readonly token?: string
}

interface Canned {
  left: number
  readonly code: number
  readonly headers: Readonly<Record<string, string>>
}

/** A test that fails half-way leaves no listener open. */
const proxies: TroubleProxy[] = []
after(async () => {
  for (const proxy of proxies) await proxy.stop()
})

export class TroubleProxy {
  /** Requests that came, with the time of `performance.now()`. */
  readonly requests: { readonly url: string; readonly atMs: number }[] = []
  /** Octets of watches are held back. */
  isStalled = false
  /** Each response is cut after so many octets, in the middle of an object. */
  cutAfter = Number.POSITIVE_INFINITY
  /** Octets pass one by one. */
  isSlow = false
  /** Events of watches for which this says yes get lost. Set before the watches begin. */
  loses: ((event: string) => boolean) | undefined
  readonly #target: string
  readonly #ca: string | undefined
  readonly #token: string | undefined
  #server: Server
  #port = 0
  readonly #sockets = new Set<Socket>()
  #canned: Canned | undefined
  #held: (() => void)[] = []

  private constructor(target: string, { ca, token }: TroubleOptions) {
    this.#token = token
    this.#target = target
    this.#ca = ca
    this.#server = this.#create()
  }

  static async start(target: string, options: TroubleOptions = {}): Promise<TroubleProxy> {
    const proxy = new TroubleProxy(target, options)
    await proxy.comeBack()
    proxies.push(proxy)
    return proxy
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** The next requests get this answer. */
  respond(count: number, code: number, headers: Readonly<Record<string, string>> = {}): void {
    this.#canned = { left: count, code, headers }
  }

  /** Cuts all connections. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  /** What was held back passes. */
  goOn(): void {
    this.isStalled = false
    for (const pass of this.#held.splice(0)) pass()
  }

  /** Nobody listens any more. */
  async goAway(): Promise<void> {
    this.cut()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async comeBack(): Promise<void> {
    this.#server = this.#create()
    await new Promise<void>((resolve) => this.#server.listen(this.#port, '127.0.0.1', resolve))
    this.#port = (this.#server.address() as AddressInfo).port
  }

  async stop(): Promise<void> {
    this.goOn()
    if (this.#server.listening) await this.goAway()
  }

  #create(): Server {
    const server = createServer((request, response) => this.#pass(request, response))
    server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
    return server
  }

  #pass(request: IncomingMessage, response: ServerResponse): void {
    const url = request.url ?? ''
    this.requests.push({ url, atMs: performance.now() })
    if (this.#canned !== undefined && this.#canned.left > 0) {
      this.#canned.left--
      response.writeHead(this.#canned.code, { 'content-type': 'application/json', ...this.#canned.headers })
      response.end(JSON.stringify({ kind: 'Status', code: this.#canned.code, message: `canned ${this.#canned.code}` }))
      return
    }
    const send = this.#target.startsWith('https:') ? httpsRequest : httpRequest
    const { host: _host, ...given } = request.headers
    // Events that get lost are picked out as lines of JSON.
    const accept = this.loses === undefined ? {} : { accept: 'application/json' }
    const headers = {
      ...given,
      ...accept,
      ...(this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }),
    }
    const onward = send(
      new URL(url, this.#target),
      { method: request.method, headers, ...(this.#ca === undefined ? {} : { ca: this.#ca }) },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, { 'content-type': answer.headers['content-type'] })
        response.flushHeaders()
        this.#passBody(answer, response, url.includes('watch=true'))
      },
    )
    onward.on('error', () => response.destroy())
    response.on('close', () => onward.destroy())
    request.pipe(onward)
  }

  #passBody(answer: IncomingMessage, response: ServerResponse, isWatch: boolean): void {
    let passed = 0
    let rest = ''
    const isLossy = isWatch && this.loses !== undefined
    const write = (chunk: Buffer): void => {
      if (passed + chunk.length > this.cutAfter) {
        response.write(chunk.subarray(0, Math.max(0, this.cutAfter - passed)))
        // What was written has to leave before the connection ends.
        setImmediate(() => response.destroy())
        return
      }
      passed += chunk.length
      if (this.isSlow) for (const octet of chunk) response.write(Buffer.of(octet))
      else response.write(chunk)
    }
    answer.on('data', (received: Buffer) => {
      let chunk = received
      if (isLossy) {
        const lines = (rest + received.toString('utf8')).split('\n')
        rest = lines.pop()!
        chunk = Buffer.from(
          lines
            .filter((line) => !this.loses!(line))
            .map((line) => `${line}\n`)
            .join(''),
        )
      }
      if (this.isStalled) this.#held.push(() => write(chunk))
      else write(chunk)
    })
    answer.on('end', () => {
      if (this.isStalled) this.#held.push(() => response.end())
      else response.end()
    })
    answer.on('error', () => response.destroy())
  }
}
