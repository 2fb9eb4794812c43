/**
 * Requests to the API server over node:http and node:https: the smallest client that lists and watches. Connections are kept, credentials are looked at
 * before each request, and a connection whose other end is gone without a word is found out by the kernel's probes.
 */
import type { Agent, IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { builtins } from '../../../node-builtins.ts'
import { VERSION } from '../../../version.ts'
import type { ApiAccess, Credentials } from './api-access.ts'
import { STATUS } from './object-schemas.ts'
import { isEnveloped, readEnvelope } from './protobuf-streams.ts'
import { NO_LIMITS, RateLimit, type RateLimits } from './rate-limit.ts'

/** Forms of objects. Resources that are defined in the cluster itself have JSON only. */
export const JSON_FORM = 'application/json'
export const PROTOBUF_FORM = 'application/vnd.kubernetes.protobuf'

/** A silent connection is probed after this; ten unanswered probes a second apart end it. */
const KEEP_ALIVE_MS = 10_000
/** Octets of an error's body that are read. */
const ERROR_SIZE_MAX = 64 * 1024

/** What the client tells whoever counts. */
export interface ApiObserver {
  /** A response began, or none came (`code` 0). */
  onResponse(method: string, code: number, seconds: number): void
  /** Time a request waited for its turn. */
  onLimited(seconds: number): void
}

/** The API server said no. */
export class ApiError extends Error {
  /** HTTP status. */
  readonly code: number
  /** Milliseconds after which to come again, where the server says so. */
  readonly retryAfterMs: number | undefined
  /** Kubernetes' word for it: `Expired`, `TooManyRequests`. */
  readonly reason: string

  constructor(code: number, message: string, reason = '', retryAfterMs?: number) {
    super(message)
    this.name = 'ApiError'
    this.code = code
    this.reason = reason
    this.retryAfterMs = retryAfterMs
  }
}

export interface ApiClientOptions {
  readonly access: ApiAccess
  readonly observer?: ApiObserver
  readonly limits?: RateLimits
  /** Milliseconds until a response must have begun. */
  readonly responseMsMax?: number
}

export class ApiClient {
  readonly #access: ApiAccess
  readonly #observer: ApiObserver | undefined
  readonly #limit: RateLimit
  readonly #responseMsMax: number
  #agent: Agent | undefined
  #agentTls: Credentials['tls'] | undefined

  constructor({ access, observer, limits = NO_LIMITS, responseMsMax = 30_000 }: ApiClientOptions) {
    this.#access = access
    this.#observer = observer
    this.#limit = new RateLimit(limits)
    this.#responseMsMax = responseMsMax
  }

  get host(): string {
    return this.#access.server.host
  }

  /**
   * Starts a GET and resolves with the response once its head is here and its status is 200; the caller reads or destroys it. Rejects with an
   * ApiError for any other status, and with the connection's error. `accept`: forms that the caller understands, the best first.
   */
  async get(path: string, signal: AbortSignal, accept: string = JSON_FORM): Promise<IncomingMessage> {
    const waitFrom = performance.now()
    const release = await this.#limit.take(signal)
    this.#observer?.onLimited((performance.now() - waitFrom) / 1000)
    const from = performance.now()
    let code = 0
    try {
      const response = await this.#send(path, signal, accept)
      code = response.statusCode ?? 0
      if (code === 200) return response
      throw await this.#errorOf(response)
    } finally {
      release()
      if (!signal.aborted) this.#observer?.onResponse('GET', code, (performance.now() - from) / 1000)
    }
  }

  /** Closes the connections that nobody uses; requests in flight end by their signals. */
  close(): void {
    this.#agent?.destroy()
    this.#agent = undefined
  }

  async #send(path: string, signal: AbortSignal, accept: string): Promise<IncomingMessage> {
    const { headers, tls } = await this.#access.credentials()
    const { server } = this.#access
    const agent = this.#agentFor(tls)
    const base = server.pathname.replace(/\/$/, '')
    const options = {
      method: 'GET',
      agent,
      signal,
      headers: { accept, 'user-agent': `Shoal/${VERSION}`, ...headers },
    }
    return new Promise((resolve, reject) => {
      const { request: send } = server.protocol === 'https:' ? builtins.https : builtins.http
      const request = send(new URL(base + path, server), options)
      const timer = setTimeout(
        () => request.destroy(new Error(`no response from ${server.host} within ${this.#responseMsMax / 1000} s`)),
        this.#responseMsMax,
      )
      request.on('socket', (socket: Socket) => socket.setKeepAlive(true, KEEP_ALIVE_MS))
      request.on('response', (response) => {
        clearTimeout(timer)
        resolve(response)
      })
      request.on('error', (error) => {
        clearTimeout(timer)
        reject(error)
      })
      request.end()
    })
  }

  /** New certificates need new connections; those in use go on until they end. */
  #agentFor(tls: Credentials['tls']): Agent {
    if (this.#agent !== undefined && isSameTls(tls, this.#agentTls)) return this.#agent
    const old = this.#agent
    const about = { keepAlive: true, keepAliveMsecs: KEEP_ALIVE_MS, scheduling: 'lifo' as const }
    const isHttps = this.#access.server.protocol === 'https:'
    this.#agent = isHttps ? new builtins.https.Agent({ ...about, ...tls }) : new builtins.http.Agent(about)
    this.#agentTls = tls
    if (old !== undefined)
      for (const sockets of Object.values(old.freeSockets)) for (const each of sockets ?? []) each.destroy()
    return this.#agent
  }

  async #errorOf(response: IncomingMessage): Promise<ApiError> {
    const code = response.statusCode ?? 0
    if (code === 401) this.#access.refused()
    const status = parseStatus(await readBounded(response))
    const message = status.message ?? `${code} ${response.statusMessage ?? ''}`.trim()
    const seconds = status.details?.retryAfterSeconds
    const retryAfterMs =
      retryAfter(response.headers['retry-after']) ?? (seconds === undefined ? undefined : seconds * 1000)
    return new ApiError(code, message, status.reason ?? '', retryAfterMs)
  }
}

/** The fields of a `Status` object that matter here. */
export interface ApiStatus {
  readonly code?: number
  readonly message?: string
  readonly reason?: string
  readonly metadata?: { readonly continue?: string }
  readonly details?: { readonly retryAfterSeconds?: number }
}

function parseStatus(octets: Buffer): ApiStatus {
  try {
    if (isEnveloped(octets)) return readEnvelope(octets, STATUS) as ApiStatus
    const status: unknown = JSON.parse(octets.toString('utf8'))
    return typeof status === 'object' && status !== null ? (status as ApiStatus) : {}
  } catch {
    return {}
  }
}

async function readBounded(response: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      parts.push(chunk)
      size += chunk.length
      if (size > ERROR_SIZE_MAX) break
    }
  } catch {
    // The status says what matters.
  }
  return Buffer.concat(parts)
}

/** RFC 9110 section 10.2.3: seconds, or a date. */
function retryAfter(header: string | undefined): number | undefined {
  if (header === undefined) return undefined
  if (/^\d{1,6}$/.test(header.trim())) return Number(header) * 1000
  const at = Date.parse(header)
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now())
}

function isSameTls(a: Credentials['tls'], b: Credentials['tls'] | undefined): boolean {
  if (b === undefined) return false
  const same = (x: unknown, y: unknown): boolean => x === y || (Buffer.isBuffer(x) && Buffer.isBuffer(y) && x.equals(y))
  return (
    same(a.ca, b.ca) &&
    same(a.cert, b.cert) &&
    same(a.key, b.key) &&
    a.servername === b.servername &&
    a.rejectUnauthorized === b.rejectUnauthorized
  )
}
