/**
 * The small HTTP server of health, ready and prometheus: one listener per address, however many plugins and blocks name
 * it, and one handler per path. It takes little and never waits long: these ports are reachable where nobody is
 * authenticated.
 *
 *   openEndpoint(address, path, handler) ─► Endpoint ─► close()
 *
 * Over a reload the new part opens the same path before the old one closes it: the newest handler answers, and the
 * listener is never closed in between.
 */
import { lookup } from 'node:dns/promises'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TlsOptions } from 'node:tls'
import { builtins } from '../node-builtins.ts'
import { type ListenAddress, printListenAddress } from './listen-address.ts'

/** Connections of one endpoint at a time; further ones are closed at once. */
export const CONNECTIONS_MAX = 100
/** Request line and headers. */
export const HEADER_SIZE_MAX = 8 * 1024
/** For the headers, for the whole request, and between requests of one connection. */
export const PATIENCE_MS = 5000
/** A connection is closed after so many requests. */
const REQUESTS_PER_CONNECTION_MAX = 1000
/** How long closing waits for replies under way. */
const CLOSE_WAIT_MS = 5000

export interface HttpReply {
  readonly status: number
  readonly body: string | Uint8Array
  readonly headers?: Readonly<Record<string, string>>
}

/** Answers a GET or HEAD request of one path. A rejection becomes status 500. */
export type HttpHandler = (request: IncomingMessage) => HttpReply | Promise<HttpReply>

export interface Endpoint {
  /** Where it listens, with the port that was chosen for port 0. */
  readonly address: ListenAddress
  /** Gives the path up; the listener closes with its last path. Resolves when it is closed. */
  close(): Promise<void>
}

export interface TlsSetup {
  /** Names the certificate set-up: endpoints of one address must agree on it. */
  readonly id: string
  options(): TlsOptions
  /** Called when the server listens; `update` puts new certificates in use. Returns what ends the watch. */
  watch?(update: (options: TlsOptions) => void): () => void
}

/** Who opened a path: plugins of thousands of blocks may open the same. */
interface Route {
  /** In the order they came. */
  readonly handlers: Set<HttpHandler>
  /** The last of them: it answers. */
  newest: HttpHandler
}

interface Listener {
  readonly server: Server
  readonly address: ListenAddress
  readonly tlsId: string
  readonly routes: Map<string, Route>
  readonly stopWatch: (() => void) | undefined
}

/** By address as text. A promise while a listener opens, so that two plugins that open it at once get the same. */
const listeners = new Map<string, Promise<Listener>>()

/**
 * Serves `path` at `address`. Rejects with the listen error, whose text is Go's, when the address can't be opened.
 * Several plugins may share an address; one path of it is answered by who opened it last.
 */
export async function openEndpoint(
  address: ListenAddress,
  path: string,
  handler: HttpHandler,
  tls?: TlsSetup,
): Promise<Endpoint> {
  const key = address.port === 0 ? Symbol(path).toString() + Math.random() : printListenAddress(address)
  let opening = listeners.get(key)
  if (opening === undefined) {
    opening = listen(address, tls)
    listeners.set(key, opening)
    opening.catch(() => listeners.delete(key))
  }
  const listener = await opening
  if (listener.tlsId !== (tls?.id ?? '')) {
    throw new Error(`listen tcp ${printListenAddress(address)}: the address is in use here with other TLS settings`)
  }
  const { routes } = listener
  const route = routes.get(path) ?? { handlers: new Set(), newest: handler }
  routes.set(path, route)
  route.handlers.add(handler)
  route.newest = handler
  let isOpen = true
  return {
    address: listener.address,
    close: async () => {
      if (!isOpen) return
      isOpen = false
      route.handlers.delete(handler)
      if (route.newest === handler) route.newest = [...route.handlers].at(-1) ?? handler
      if (route.handlers.size === 0) routes.delete(path)
      if (routes.size > 0) return
      listeners.delete(key)
      listener.stopWatch?.()
      await closeServer(listener.server)
    },
  }
}

async function listen(address: ListenAddress, tls: TlsSetup | undefined): Promise<Listener> {
  const routes = new Map<string, Route>()
  const options = {
    maxHeaderSize: HEADER_SIZE_MAX,
    headersTimeout: PATIENCE_MS,
    requestTimeout: PATIENCE_MS,
    keepAliveTimeout: PATIENCE_MS,
    connectionsCheckingInterval: 1000,
  }
  const onRequest = (request: IncomingMessage, response: ServerResponse) => {
    void answer(routes, request, response)
  }
  const server: Server =
    tls === undefined
      ? builtins.http.createServer(options, onRequest)
      : builtins.https.createServer({ ...options, ...tls.options() }, onRequest)
  server.maxConnections = CONNECTIONS_MAX
  server.maxRequestsPerSocket = REQUESTS_PER_CONNECTION_MAX
  server.on('clientError', (_error, socket) => socket.destroy())
  server.on('tlsClientError', (_error: Error, socket: { destroy(): void }) => socket.destroy())
  const host = await resolveHost(address.host)
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(listenError(address, error)))
    server.listen({ port: address.port, ...(host === undefined ? {} : { host }), reusePort: canReusePort }, resolve)
  })
  // From here on an error of the listener costs a connection, not the process.
  server.on('error', () => undefined)
  const { port } = server.address() as AddressInfo
  return {
    server,
    address: { host: address.host, port },
    tlsId: tls?.id ?? '',
    routes,
    stopWatch: tls?.watch?.((fresh) =>
      (server as unknown as { setSecureContext(o: TlsOptions): void }).setSecureContext(fresh),
    ),
  }
}

/** CoreDNS opens these ports with SO_REUSEPORT: two servers with one Corefile run side by side. */
const canReusePort = process.platform === 'linux'

/** One address of a host name, IPv4 first, as Go's Listen picks it. */
async function resolveHost(host: string): Promise<string | undefined> {
  if (host === '') return undefined
  const found = await lookup(host, { all: true })
  return (found.find(({ family }) => family === 4) ?? found[0])?.address ?? host
}

function listenError(address: ListenAddress, error: Error): Error {
  const { code } = error as NodeJS.ErrnoException
  const why =
    code === 'EADDRINUSE'
      ? 'address already in use'
      : code === 'EACCES'
        ? 'permission denied'
        : code === 'EADDRNOTAVAIL'
          ? 'cannot assign requested address'
          : error.message
  return new Error(`listen tcp ${printListenAddress(address)}: bind: ${why}`)
}

async function answer(
  routes: ReadonlyMap<string, Route>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  request.on('error', () => undefined)
  response.on('error', () => undefined)
  // A client that sends or reads too slowly is cut (by node:http); the body of a request is never read.
  request.socket.setTimeout(PATIENCE_MS)
  if (request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined) {
    response.setHeader('Connection', 'close')
  }
  const path = (request.url ?? '').split('?', 1)[0]!
  const handler = routes.get(path)?.newest
  let reply: HttpReply
  if (handler === undefined) reply = { status: 404, body: '404 page not found\n' }
  else if (request.method !== 'GET' && request.method !== 'HEAD') {
    reply = { status: 405, body: 'Method Not Allowed\n', headers: { Allow: 'GET, HEAD' } }
  } else {
    try {
      reply = await handler(request)
    } catch (error) {
      reply = { status: 500, body: `${(error as Error).message}\n` }
    }
  }
  const body = typeof reply.body === 'string' ? Buffer.from(reply.body) : reply.body
  response.writeHead(reply.status, {
    'Content-Type': 'text/plain; charset=utf-8',
    'X-Content-Type-Options': 'nosniff',
    ...reply.headers,
    'Content-Length': body.length,
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}

async function closeServer(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), CLOSE_WAIT_MS)
    server.close(() => {
      clearTimeout(timer)
      resolve()
    })
    server.closeIdleConnections()
  })
}
