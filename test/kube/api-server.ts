/**
 * An API server in memory, of the shape that matters here: lists in pages with one snapshot, watches with history and bookmarks, 410 after a
 * compaction, label and field selectors, objects created, changed and deleted over HTTP.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { encodeEvent, encodeList, encodeObject, envelope, hasProtobuf } from './encode-protobuf.ts'

export interface KubeObject {
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly labels?: Readonly<Record<string, string>>
    readonly resourceVersion?: string
    readonly [key: string]: unknown
  }
  readonly [key: string]: unknown
}

interface Event {
  readonly version: number
  readonly resource: string
  readonly before: KubeObject | undefined
  readonly after: KubeObject | undefined
}

interface Watch {
  readonly resource: string
  readonly isProtobuf: boolean
  readonly matches: (object: KubeObject) => boolean
  readonly response: ServerResponse
  readonly from: number
}

interface Type {
  readonly kind: string
  readonly apiVersion: string
}

/** Resources by the path of their list. */
const RESOURCES: ReadonlyMap<string, Type> = new Map([
  ['/api/v1/namespaces', { kind: 'Namespace', apiVersion: 'v1' }],
  ['/api/v1/services', { kind: 'Service', apiVersion: 'v1' }],
  ['/api/v1/pods', { kind: 'Pod', apiVersion: 'v1' }],
  ['/apis/discovery.k8s.io/v1/endpointslices', { kind: 'EndpointSlice', apiVersion: 'discovery.k8s.io/v1' }],
  [
    '/apis/multicluster.x-k8s.io/v1alpha1/serviceimports',
    { kind: 'ServiceImport', apiVersion: 'multicluster.x-k8s.io/v1alpha1' },
  ],
])
/** On the bookmark that ends the state with which a watch began. */
const INITIAL_EVENTS_END = { 'k8s.io/initial-events-end': 'true' }

const BODY_SIZE_MAX = 4 << 20
const PROTOBUF = 'application/vnd.kubernetes.protobuf'

export interface ApiServerOptions {
  /** Between bookmarks. */
  readonly bookmarkMs?: number
  /** Requests must bring it. */
  readonly token?: string
  /** Objects come as JSON, whatever is asked for. */
  readonly jsonOnly?: boolean
}

export class ApiServer {
  /** Requests answered so far, as `GET /api/v1/services watch`. */
  readonly requests: string[] = []
  #token: string | undefined
  readonly #jsonOnly: boolean
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #objects = new Map<string, Map<string, KubeObject>>([...RESOURCES.keys()].map((path) => [path, new Map()]))
  #pageCount = 0
  readonly #encoded = new WeakMap<KubeObject, Buffer>()
  readonly #pages = new Map<string, { readonly version: number; readonly rest: readonly KubeObject[] }>()
  #version = 100
  #events: Event[] = []
  #compacted = 0
  readonly #watches = new Set<Watch>()
  readonly #bookmarks: NodeJS.Timeout

  private constructor({ bookmarkMs = 1000, token, jsonOnly = false }: ApiServerOptions) {
    this.#token = token
    this.#jsonOnly = jsonOnly
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch((error: unknown) => response.destroy(error as Error))
    })
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
    this.#bookmarks = setInterval(() => this.#sendBookmarks(), bookmarkMs)
  }

  static async start(options: ApiServerOptions = {}): Promise<ApiServer> {
    const api = new ApiServer(options)
    await new Promise<void>((resolve) => api.#server.listen(0, '127.0.0.1', resolve))
    return api
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  get watchCount(): number {
    return this.#watches.size
  }

  async stop(): Promise<void> {
    clearInterval(this.#bookmarks)
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  /** Puts many objects there at once, without events: for large clusters, before anybody looks. */
  load(objects: Iterable<KubeObject>): void {
    const paths = new Map([...RESOURCES].map(([path, { kind }]) => [kind, path]))
    for (const object of objects) {
      const { metadata } = object
      const resourceVersion = String(++this.#version)
      const shown = { ...object, metadata: { ...metadata, resourceVersion } }
      const kind = object['kind'] as string
      this.#objects.get(paths.get(kind)!)!.set(keyOf(metadata.namespace, metadata.name), shown)
      if (hasProtobuf(kind)) this.#encode(shown, kind)
    }
  }

  /** Creates or replaces an object, as a writer over HTTP does. */
  change(object: KubeObject): void {
    const { name, namespace } = object.metadata
    const path = [...RESOURCES].find(([, { kind }]) => kind === object['kind'])![0]
    this.#change(path, this.#objects.get(path)!.get(keyOf(namespace, name)), object)
  }

  /** From now on requests must bring this token. */
  setToken(token: string): void {
    this.#token = token
  }

  /** Versions up to now can't be watched from any more, and lists that are under way can't go on. */
  compact(): void {
    this.#compacted = this.#version
    this.#events = []
    this.#pages.clear()
  }

  /** Ends all watches, as a server does that shuts down in order. */
  endWatches(): void {
    for (const { response } of this.#watches) response.end()
    this.#watches.clear()
  }

  /** What `restore` can go back to. */
  save(): unknown {
    return structuredClone({ version: this.#version, objects: this.#objects })
  }

  /** The state of another time, as after a restart from a backup: versions go on from there. */
  restore(saved: unknown): void {
    const { version, objects } = structuredClone(saved) as {
      version: number
      objects: Map<string, Map<string, KubeObject>>
    }
    for (const socket of this.#sockets) socket.destroy()
    this.#version = version
    this.#events = []
    this.#compacted = 0
    this.#pages.clear()
    for (const [path, each] of objects) this.#objects.set(path, each)
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '', 'http://api')
    const isWatch = url.searchParams.get('watch') === 'true'
    this.requests.push(`${request.method} ${url.pathname}${isWatch ? ' watch' : ''}`)
    if (this.#token !== undefined && request.headers.authorization !== `Bearer ${this.#token}`) {
      sendStatus(response, 401, 'Unauthorized')
      return
    }
    const path = splitPath(url.pathname)
    if (path === undefined) return sendStatus(response, 404, 'NotFound')
    if (request.method === 'GET') {
      if (path.name !== undefined) {
        const object = this.#objects.get(path.resource)!.get(keyOf(path.namespace, path.name))
        if (object === undefined) sendStatus(response, 404, 'NotFound')
        else sendJson(response, 200, object)
        return
      }
      const isProtobuf =
        !this.#jsonOnly &&
        request.headers.accept?.startsWith(PROTOBUF) === true &&
        hasProtobuf(RESOURCES.get(path.resource)!.kind)
      if (isWatch) this.#watch(path, url.searchParams, isProtobuf, response)
      else this.#list(path, url.searchParams, isProtobuf, response)
      return
    }
    await this.#write(request, path, response)
  }

  #list({ resource, namespace }: Path, search: URLSearchParams, isProtobuf: boolean, response: ServerResponse): void {
    const token = search.get('continue') ?? ''
    const page = this.#pages.get(token)
    if (token !== '' && page === undefined) {
      sendStatus(response, 410, 'Expired', 'The provided continue parameter is too old')
      return
    }
    this.#pages.delete(token)
    const rest = page?.rest ?? this.#select(resource, selectorOf(search, namespace))
    const version = page?.version ?? this.#version
    const limit = Number(search.get('limit') ?? 0) || rest.length
    const left = rest.slice(limit)
    const next = left.length === 0 ? undefined : `page-${version}-${this.#pageCount++}`
    if (next !== undefined) this.#pages.set(next, { version, rest: left })
    const { kind, apiVersion } = RESOURCES.get(resource)!
    const type = { kind: `${kind}List`, apiVersion }
    const metadata = { resourceVersion: String(version), ...(next === undefined ? {} : { continue: next }) }
    const items = rest.slice(0, limit)
    if (isProtobuf) {
      response.writeHead(200, { 'content-type': PROTOBUF })
      const encoded = items.map((item) => this.#encode(item, kind))
      response.end(envelope(type, encodeList(metadata, encoded)))
    } else sendJson(response, 200, { ...type, metadata, items })
  }

  #encode(object: KubeObject, kind: string): Buffer {
    const known = this.#encoded.get(object)
    if (known !== undefined) return known
    const encoded = encodeObject({ ...object, kind })!
    this.#encoded.set(object, encoded)
    return encoded
  }

  #select(resource: string, matches: (object: KubeObject) => boolean): readonly KubeObject[] {
    return [...this.#objects.get(resource)!]
      .filter(([, object]) => matches(object))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, object]) => object)
  }

  #watch({ resource, namespace }: Path, search: URLSearchParams, isProtobuf: boolean, response: ServerResponse): void {
    const startsWithState = search.get('sendInitialEvents') === 'true'
    const from = startsWithState ? this.#version : Number(search.get('resourceVersion'))
    response.writeHead(200, { 'content-type': isProtobuf ? `${PROTOBUF};stream=watch` : 'application/json' })
    response.flushHeaders()
    if (from < this.#compacted) {
      const expired = status(410, 'Expired', `too old resource version: ${from}`)
      response.end(eventOctets('ERROR', expired, isProtobuf))
      return
    }
    const watch = { resource, isProtobuf, matches: selectorOf(search, namespace), response, from }
    if (startsWithState) {
      for (const object of this.#select(resource, watch.matches)) {
        sendObject(watch, 'ADDED', object, isProtobuf ? this.#encode(object, RESOURCES.get(resource)!.kind) : undefined)
      }
      sendObject(watch, 'BOOKMARK', this.#bookmark(INITIAL_EVENTS_END))
    }
    this.#watches.add(watch)
    response.on('close', () => this.#watches.delete(watch))
    const seconds = Number(search.get('timeoutSeconds') ?? 0)
    if (seconds > 0) setTimeout(() => response.end(), seconds * 1000).unref()
    for (const event of this.#events) sendEvent(watch, event)
  }

  async #write(
    request: IncomingMessage,
    { resource, namespace, name, isStatus }: Path,
    response: ServerResponse,
  ): Promise<void> {
    const objects = this.#objects.get(resource)!
    if (request.method === 'DELETE') {
      const known = objects.get(keyOf(namespace, name!))
      if (known === undefined) return sendStatus(response, 404, 'NotFound')
      this.#change(resource, known, undefined)
      return sendJson(response, 200, status(200, ''))
    }
    const body = (await readJson(request)) as KubeObject
    const key = keyOf(namespace, name ?? body.metadata.name)
    const known = objects.get(key)
    if (request.method === 'POST' && known !== undefined) return sendStatus(response, 409, 'AlreadyExists')
    if (request.method === 'PUT' && known === undefined) return sendStatus(response, 404, 'NotFound')
    const object = isStatus ? { ...known!, status: body['status'] } : { ...known, ...body }
    const whole = { ...object, metadata: { ...object.metadata, ...(namespace === undefined ? {} : { namespace }) } }
    sendJson(response, known === undefined ? 201 : 200, this.#change(resource, known, whole)!)
  }

  #change(resource: string, before: KubeObject | undefined, after: KubeObject | undefined): KubeObject | undefined {
    const version = ++this.#version
    const stamped = (object: KubeObject): KubeObject => ({
      ...object,
      metadata: { ...object.metadata, resourceVersion: String(version) },
    })
    const objects = this.#objects.get(resource)!
    const { metadata } = (after ?? before)!
    const key = keyOf(metadata.namespace, metadata.name)
    const shown = after === undefined ? undefined : stamped(after)
    if (shown === undefined) objects.delete(key)
    else objects.set(key, shown)
    const event = { version, resource, before: before === undefined ? undefined : stamped(before), after: shown }
    this.#events.push(event)
    for (const watch of this.#watches) sendEvent(watch, event)
    return shown
  }

  #sendBookmarks(): void {
    for (const watch of this.#watches) {
      // A watch from a version that is still to come hears nothing, not even this.
      if (watch.from <= this.#version) sendObject(watch, 'BOOKMARK', this.#bookmark())
    }
  }

  #bookmark(annotations: Readonly<Record<string, string>> = {}): object {
    return { metadata: { resourceVersion: String(this.#version), annotations } }
  }
}

function eventOctets(type: string, object: object, isProtobuf: boolean, encoded?: Buffer): string | Buffer {
  return isProtobuf ? encodeEvent(type, object, encoded) : `${JSON.stringify({ type, object })}\n`
}

function sendObject({ resource, isProtobuf, response }: Watch, type: string, object: object, encoded?: Buffer): void {
  response.write(eventOctets(type, { ...object, ...RESOURCES.get(resource)! }, isProtobuf, encoded))
}

function sendEvent(watch: Watch, event: Event): void {
  const { resource, matches, from } = watch
  if (event.resource !== resource || event.version <= from) return
  const was = event.before !== undefined && matches(event.before)
  const is = event.after !== undefined && matches(event.after)
  if (!was && !is) return
  const type = !was ? 'ADDED' : is ? 'MODIFIED' : 'DELETED'
  sendObject(watch, type, (is ? event.after : event.before)!)
}

interface Path {
  readonly resource: string
  readonly namespace: string | undefined
  readonly name: string | undefined
  readonly isStatus: boolean
}

/** `/api/v1/services`, `/api/v1/namespaces/NS/services[/NAME[/status]]`, `/api/v1/namespaces[/NAME]` */
function splitPath(pathname: string): Path | undefined {
  if (RESOURCES.has(pathname)) return { resource: pathname, namespace: undefined, name: undefined, isStatus: false }
  const match = /^(\/apis?\/.*?)\/namespaces\/([^/]+)(?:\/([^/]+)(?:\/([^/]+))?(\/status)?)?$/.exec(pathname)
  if (match === null) return undefined
  const [, group, namespace, plural, name, subresource] = match
  if (plural === undefined) {
    return { resource: '/api/v1/namespaces', namespace: undefined, name: namespace, isStatus: false }
  }
  const resource = `${group}/${plural}`
  return RESOURCES.has(resource) ? { resource, namespace, name, isStatus: subresource !== undefined } : undefined
}

function keyOf(namespace: string | undefined, name: string): string {
  return `${namespace ?? ''}/${name}`
}

function selectorOf(search: URLSearchParams, namespace: string | undefined): (object: KubeObject) => boolean {
  const labels = (search.get('labelSelector') ?? '').split(/,(?![^(]*\))/).filter(Boolean)
  const fields = (search.get('fieldSelector') ?? '').split(',').filter(Boolean)
  return ({ metadata, status: state }) => {
    if (namespace !== undefined && metadata.namespace !== namespace) return false
    const given = metadata.labels ?? {}
    const phase = (state as { readonly phase?: string } | undefined)?.phase
    return (
      labels.every((requirement) => {
        const set = /^(\S+) (in|notin) \((.*)\)$/.exec(requirement)
        if (set !== null) return set[3]!.split(',').includes(given[set[1]!] ?? '\0') === (set[2] === 'in')
        const [key, value] = requirement.split('=')
        if (value !== undefined) return given[key!] === value
        return requirement.startsWith('!') ? !(requirement.slice(1) in given) : requirement in given
      }) && fields.every((field) => field !== `status.phase!=${phase}`)
    )
  }
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  let text = ''
  for await (const chunk of request) {
    text += chunk
    if (text.length > BODY_SIZE_MAX) throw new Error('the body is too large')
  }
  return JSON.parse(text)
}

function status(code: number, reason: string, message = reason): object {
  return { kind: 'Status', apiVersion: 'v1', status: code < 300 ? 'Success' : 'Failure', code, reason, message }
}

function sendStatus(response: ServerResponse, code: number, reason: string, message = reason): void {
  sendJson(response, code, status(code, reason, message))
}

function sendJson(response: ServerResponse, code: number, value: object): void {
  response.writeHead(code, { 'content-type': 'application/json' })
  response.end(JSON.stringify(value))
}
