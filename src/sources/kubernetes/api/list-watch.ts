/**
 * Keeps a sink equal to one resource of the API server: a list in pages, then a watch from there on, for as long as it runs.
 *
 *            ┌────────── back-off ◄──┐
 *            ▼                       │ fails
 *   start ► list ──────────────────► watch ──── ends ──► watch from the last version seen
 *            ▲                         │
 *            └── 410 Gone, or the server went back to an older state: what is known stays until the new list is whole
 *
 * A watch that says nothing, not even a bookmark, for longer than the server lets pass between two of them is given up
 * and started again from where it was: its connection may be dead.
 */
import type { IncomingMessage } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '../../../observe/logger.ts'
import { type ApiClient, ApiError, type ApiStatus } from './api-client.ts'
import { BackOff, type BackOffLimits } from './back-off.ts'
import { JsonLines } from './json-lines.ts'
import { JsonList } from './json-list.ts'

/** One kind of objects. */
export interface Resource {
  /** For log lines: `services`. */
  readonly name: string
  /** `/api/v1/services` */
  readonly path: string
  readonly labelSelector?: string
  readonly fieldSelector?: string
}

/** Takes the objects as the API sends them. Called on the event loop; must not throw for what an object holds. */
export interface ObjectSink {
  /** A list begins: objects that it doesn't name are gone when it ends. */
  beginList(): void
  /** An object as it is now, from a list or from a watch. */
  put(object: unknown): void
  remove(object: unknown): void
  endList(): void
  /** Reading has got behind what arrives: resolves when more may come. */
  drained?(): Promise<void> | undefined
}

export interface ListWatchTiming {
  readonly backOff: BackOffLimits
  /** Objects of one page of a list. */
  readonly pageCount: number
  /** A watch without a word for so long is started again. API servers send a bookmark each minute. */
  readonly silenceMsMax: number
  /** The server ends a watch after this, by chance up to twice as long. */
  readonly watchSeconds: number
}

export const TIMING_DEFAULT: ListWatchTiming = {
  backOff: { firstMs: 200, msMax: 30_000 },
  pageCount: 500,
  silenceMsMax: 90_000,
  watchSeconds: 300,
}

/** What happened, for counters. */
export interface ListWatchCounts {
  lists: number
  watches: number
  events: number
  failures: number
}

interface WatchEvent {
  readonly type?: string
  readonly object?: { readonly metadata?: { readonly resourceVersion?: string } } & ApiStatus
}

export class ListWatch {
  readonly counts: ListWatchCounts = { lists: 0, watches: 0, events: 0, failures: 0 }
  readonly resource: Resource
  readonly #client: ApiClient
  readonly #sink: ObjectSink
  readonly #log: Logger
  readonly #timing: ListWatchTiming
  readonly #stopped = new AbortController()
  readonly #backOff: BackOff
  #isSynced = false
  /** When the server last showed that we are up to date with it, on the clock of `performance.now()`. */
  #contactAt = performance.now()
  #version: string | undefined
  #problem = ''
  #isWatching = false
  /** A connection broke: the server may not be the one that it was. */
  #lostContact = false
  #running: Promise<void> | undefined
  readonly #onSynced: () => void

  constructor(options: {
    readonly client: ApiClient
    readonly resource: Resource
    readonly sink: ObjectSink
    readonly log: Logger
    readonly timing?: ListWatchTiming
    /** Called once, when the first list is whole. */
    readonly onSynced: () => void
  }) {
    this.#client = options.client
    this.resource = options.resource
    this.#sink = options.sink
    this.#log = options.log
    this.#timing = options.timing ?? TIMING_DEFAULT
    this.#backOff = new BackOff(this.#timing.backOff)
    this.#onSynced = options.onSynced
  }

  /** The first list has been read whole. */
  get isSynced(): boolean {
    return this.#isSynced
  }

  /** Milliseconds since the server last showed that nothing is missing here: 0 while a watch is open. */
  get staleMs(): number {
    return this.#isWatching ? 0 : performance.now() - this.#contactAt
  }

  start(): void {
    this.#running ??= this.#run()
  }

  /** Resolves when nothing runs any more. */
  async stop(): Promise<void> {
    this.#stopped.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped
    while (!signal.aborted) {
      try {
        if (this.#version !== undefined && this.#lostContact) await this.#lookBack()
        if (this.#version === undefined) await this.#list()
        this.#lostContact = false
        const from = performance.now()
        if (await this.#watch()) this.#version = undefined
        // A server that ends every watch at once would be asked without a pause.
        else if (performance.now() - from < 1000) await this.#pause(this.#backOff.failed())
      } catch (error) {
        if (signal.aborted) return
        await this.#failed(error)
      }
    }
  }

  async #failed(error: unknown): Promise<void> {
    this.counts.failures++
    const text = error instanceof Error ? error.message : String(error)
    // The same trouble is told once, not at every try.
    if (text !== this.#problem) this.#log.warning(`${this.resource.name}: ${text}`)
    this.#problem = text
    if (error instanceof ApiError && isExpired(error)) this.#version = undefined
    if (!(error instanceof ApiError)) this.#lostContact = true
    await this.#pause(this.#backOff.failed(error instanceof ApiError ? error.retryAfterMs : undefined))
  }

  async #pause(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.#stopped.signal, ref: false }).catch(() => {})
  }

  /**
   * After a broken connection: a server that came back with an older state (restored from a backup) would let us wait for events until its versions
   * pass ours. Where it says that its version is lower, all is listed anew.
   */
  async #lookBack(): Promise<void> {
    let version = ''
    await this.#readList(this.#url({ limit: '1' }), (head) => {
      version = head.metadata?.resourceVersion ?? ''
    })
    if (!isLower(version, this.#version!)) return
    this.#log.warning(`${this.resource.name}: the API server went back from version ${this.#version} to ${version}`)
    this.#version = undefined
  }

  /** Reads the whole resource, a page at a time. What the sink holds stays until the list is whole. */
  async #list(): Promise<void> {
    let limit = String(this.#timing.pageCount)
    for (;;) {
      let next: string | undefined
      let version = ''
      this.#sink.beginList()
      try {
        do {
          const query = next === undefined ? { limit } : { limit, continue: next }
          await this.#readList(
            this.#url(query),
            (head) => {
              version = head.metadata?.resourceVersion ?? ''
              next = head.metadata?.continue
            },
            this.#sink,
          )
        } while (next !== undefined && next !== '')
      } catch (error) {
        // The pages' snapshot is gone: a list in one go needs none. It is read item by item all the same.
        if (error instanceof ApiError && isExpired(error) && limit !== '0') {
          limit = '0'
          continue
        }
        throw error
      }
      this.#sink.endList()
      this.#version = version
      break
    }
    this.counts.lists++
    this.#succeeded()
    if (!this.#isSynced) {
      this.#isSynced = true
      this.#onSynced()
    }
  }

  async #readList(
    path: string,
    onHead: (head: { readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string } }) => void,
    sink?: ObjectSink,
  ): Promise<void> {
    const response = await this.#client.get(path, this.#stopped.signal)
    const list = new JsonList((item) => sink?.put(item))
    const silence = this.#watchSilence(response)
    try {
      for await (const chunk of response as AsyncIterable<Buffer>) {
        silence.refresh()
        list.push(chunk)
        await sink?.drained?.()
      }
      onHead(list.end())
    } finally {
      clearTimeout(silence)
      response.destroy()
    }
  }

  /** Resolves when the server ends the watch: true when the version it went on from is gone. */
  async #watch(): Promise<boolean> {
    const { watchSeconds } = this.#timing
    const path = this.#url({
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion: this.#version!,
      timeoutSeconds: String(Math.ceil(watchSeconds * (1 + Math.random()))),
    })
    const response = await this.#client.get(path, this.#stopped.signal)
    this.counts.watches++
    const watch = { expired: false }
    const lines = new JsonLines((line) => {
      const status = this.#onEvent(line as WatchEvent)
      if (status === undefined) return
      const error = new ApiError(status.code ?? 0, status.message ?? 'the watch failed', status.reason)
      if (!isExpired(error)) throw error
      watch.expired = true
    })
    const silence = this.#watchSilence(response)
    this.#isWatching = true
    try {
      for await (const chunk of response as AsyncIterable<Buffer>) {
        silence.refresh()
        this.#succeeded()
        lines.push(chunk)
        if (watch.expired) break
        await this.#sink.drained?.()
      }
    } finally {
      this.#isWatching = false
      this.#contactAt = performance.now()
      clearTimeout(silence)
      response.destroy()
    }
    return watch.expired
  }

  /** The status of an event that ends the watch. */
  #onEvent({ type, object }: WatchEvent): ApiStatus | undefined {
    if (type === 'ERROR') return object ?? {}
    const version = object?.metadata?.resourceVersion
    this.counts.events++
    if (type === 'ADDED' || type === 'MODIFIED') this.#sink.put(object)
    else if (type === 'DELETED') this.#sink.remove(object)
    if (version !== undefined && version !== '') this.#version = version
    return undefined
  }

  /** Ends a response that says nothing for too long; `refresh` it with everything that comes. */
  #watchSilence(response: IncomingMessage): NodeJS.Timeout {
    const { silenceMsMax } = this.#timing
    const timer = setTimeout(
      () => response.destroy(new Error(`silence for ${silenceMsMax / 1000} s: the connection may be dead`)),
      silenceMsMax,
    )
    timer.unref()
    return timer
  }

  #succeeded(): void {
    this.#contactAt = performance.now()
    this.#backOff.succeeded()
    if (this.#problem !== '') this.#log.info(`${this.resource.name}: the API server answers again`)
    this.#problem = ''
  }

  #url(query: Readonly<Record<string, string>>): string {
    const { path, labelSelector, fieldSelector } = this.resource
    const search = new URLSearchParams(query)
    if (query['limit'] === '0') search.delete('limit')
    if (labelSelector !== undefined) search.set('labelSelector', labelSelector)
    if (fieldSelector !== undefined) search.set('fieldSelector', fieldSelector)
    return `${path}?${search}`
  }
}

/** The version asked for is gone (compacted), or one that this server never had. */
function isExpired({ code, reason, message }: ApiError): boolean {
  return code === 410 || reason === 'Expired' || reason === 'Gone' || /too large resource version/i.test(message)
}

/** Versions are the store's counter; what is no number can't be compared. */
function isLower(a: string, b: string): boolean {
  return /^\d+$/.test(a) && /^\d+$/.test(b) && BigInt(a) < BigInt(b)
}
