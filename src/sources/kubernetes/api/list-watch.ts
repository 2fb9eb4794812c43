/**
 * Keeps a sink equal to one resource of the API server: a list in pages, then a watch from there on, for as long as it runs.
 *
 *            ┌────────── back-off ◄──┐
 *            ▼                       │ fails
 *   start ► list ──────────────────► watch ──── ends ──► watch from the last version seen
 *            ▲                         │
 *            └── 410 Gone, or the server went back to an older state: what is known stays until the new list is whole
 *
 * From time to time another list is read beside the watch and compared with what is known (list-audit.ts).
 *
 * A watch that says nothing, not even a bookmark, for longer than the server lets pass between two of them is given up
 * and started again from where it was: its connection may be dead.
 */
import type { IncomingMessage } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '../../../observe/logger.ts'
import { type ApiClient, ApiError, type ApiStatus, JSON_FORM, PROTOBUF_FORM } from './api-client.ts'
import { BackOff, type BackOffLimits } from './back-off.ts'
import { JsonLines } from './json-lines.ts'
import { JsonList, type ListHead } from './json-list.ts'
import { type AuditedSink, ListAudit } from './list-audit.ts'
import type { Schema } from './protobuf.ts'
import { ProtobufFrames, ProtobufList } from './protobuf-streams.ts'

/** One kind of objects. */
export interface Resource {
  /** For log lines: `services`. */
  readonly name: string
  /** `/api/v1/services` */
  readonly path: string
  readonly labelSelector?: string
  readonly fieldSelector?: string
  /** What of the objects is wanted, for asking for them in Protocol Buffers; absent for JSON. */
  readonly schema?: Schema
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
  /** Between two comparisons of what is known with a fresh list; 0 for none. */
  readonly auditMs: number
}

export const TIMING_DEFAULT: ListWatchTiming = {
  backOff: { firstMs: 200, msMax: 30_000 },
  pageCount: 500,
  silenceMsMax: 90_000,
  watchSeconds: 300,
  auditMs: 3_600_000,
}

/** What happened, for counters. */
export interface ListWatchCounts {
  lists: number
  watches: number
  events: number
  failures: number
  audits: number
  /** Objects that an audit found wrong. */
  repairs: number
}

export interface ListWatchOptions {
  readonly client: ApiClient
  readonly resource: Resource
  /** Compared with a fresh list from time to time where it is an AuditedSink. */
  readonly sink: ObjectSink
  readonly log: Logger
  readonly timing?: ListWatchTiming
  /** A list is whole. */
  readonly onListed?: () => void
  /** The API server didn't answer, or said no. */
  readonly onFailed?: () => void
  /** A fresh list was compared with what was known: so many objects were wrong. */
  readonly onAudited?: (repairs: number) => void
}

interface WatchEvent {
  readonly type?: string
  readonly object?: { readonly metadata?: { readonly resourceVersion?: string } } & ApiStatus
}

const TIMER_MS_MAX = 0x7fff_ffff

export class ListWatch {
  readonly counts: ListWatchCounts = { lists: 0, watches: 0, events: 0, failures: 0, audits: 0, repairs: 0 }
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
  readonly #onListed: (() => void) | undefined
  readonly #onFailed: (() => void) | undefined
  readonly #onAudited: ((repairs: number) => void) | undefined
  /** The comparison that is under way. */
  #audit: ListAudit | undefined
  /** Ends the watch, so that all is listed anew. */
  #relist: (() => void) | undefined
  /** When the next one is due, on the clock of `performance.now()`. */
  #auditAt = Number.POSITIVE_INFINITY
  /** Version that the watch has to pass before the audit's findings count. */
  #auditVersion: string | undefined

  constructor(options: ListWatchOptions) {
    this.#client = options.client
    this.resource = options.resource
    this.#sink = options.sink
    this.#log = options.log
    this.#timing = options.timing ?? TIMING_DEFAULT
    this.#backOff = new BackOff(this.#timing.backOff)
    this.#onListed = options.onListed
    this.#onFailed = options.onFailed
    this.#onAudited = options.onAudited
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
    this.#onFailed?.()
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
    const { metadata } = await this.#readList(this.#url({ limit: '1' }), () => {})
    const version = metadata?.resourceVersion ?? ''
    if (!isLower(version, this.#version!)) return
    this.#log.warning(`${this.resource.name}: the API server went back from version ${this.#version} to ${version}`)
    this.#version = undefined
  }

  /** Reads the whole resource. What the sink holds stays until the list is whole. */
  async #list(): Promise<void> {
    this.#version = await this.#readPages(
      () => this.#sink.beginList(),
      (object) => this.#sink.put(object),
    )
    this.#sink.endList()
    this.counts.lists++
    this.#planAudit()
    this.#succeeded()
    this.#isSynced = true
    this.#onListed?.()
  }

  /** Reads the whole resource, a page at a time; `begin` is called again when it has to be read from the start. Resolves with its version. */
  async #readPages(begin: () => void, onItem: (object: unknown) => void): Promise<string> {
    let limit = String(this.#timing.pageCount)
    for (;;) {
      let next: string | undefined
      let version = ''
      begin()
      try {
        do {
          const query = next === undefined ? { limit } : { limit, continue: next }
          const { metadata } = await this.#readList(this.#url(query), onItem)
          version = metadata?.resourceVersion ?? ''
          next = metadata?.continue
        } while (next !== undefined && next !== '')
        return version
      } catch (error) {
        if (!(error instanceof ApiError && isExpired(error)) || limit === '0') throw error
        // The pages' snapshot is gone: a list in one go needs none. It is read item by item all the same.
        limit = '0'
      }
    }
  }

  async #readList(path: string, onItem: (object: unknown) => void): Promise<ListHead> {
    const { schema } = this.resource
    const accept = schema === undefined ? JSON_FORM : `${PROTOBUF_FORM}, ${JSON_FORM}`
    const response = await this.#client.get(path, this.#stopped.signal, accept)
    const list = schema !== undefined && isProtobuf(response) ? new ProtobufList(schema, onItem) : new JsonList(onItem)
    const silence = this.#watchSilence(response)
    try {
      for await (const chunk of response as AsyncIterable<Buffer>) {
        silence.refresh()
        list.push(chunk)
        await this.#sink.drained?.()
      }
      return list.end()
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
    const { schema } = this.resource
    const accept = schema === undefined ? JSON_FORM : `${PROTOBUF_FORM};stream=watch, ${JSON_FORM}`
    const response = await this.#client.get(path, this.#stopped.signal, accept)
    this.counts.watches++
    const watch = { expired: false }
    this.#relist = () => {
      watch.expired = true
      response.destroy()
    }
    const take = (event: unknown): void => {
      const status = this.#onEvent(event as WatchEvent)
      if (status === undefined) return
      const error = new ApiError(status.code ?? 0, status.message ?? 'the watch failed', status.reason)
      if (!isExpired(error)) throw error
      watch.expired = true
    }
    const events = schema !== undefined && isProtobuf(response) ? new ProtobufFrames(schema, take) : new JsonLines(take)
    const silence = this.#watchSilence(response)
    this.#isWatching = true
    const audit = this.#armAudit()
    try {
      for await (const chunk of response as AsyncIterable<Buffer>) {
        silence.refresh()
        this.#succeeded()
        events.push(chunk)
        if (watch.expired) break
        await this.#sink.drained?.()
      }
    } catch (error) {
      if (!watch.expired) throw error
    } finally {
      this.#isWatching = false
      this.#relist = undefined
      this.#contactAt = performance.now()
      this.#endAudit()
      clearTimeout(audit)
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
    if (this.#audit !== undefined) {
      if (type !== 'BOOKMARK') this.#audit.told(object)
      if (this.#auditVersion !== undefined && !isLower(this.#version!, this.#auditVersion)) this.#finishAudit()
    }
    return undefined
  }

  #planAudit(): void {
    const { auditMs } = this.#timing
    // Not all servers at once.
    this.#auditAt = auditMs === 0 ? Number.POSITIVE_INFINITY : performance.now() + auditMs * (0.75 + Math.random() / 2)
  }

  #armAudit(): NodeJS.Timeout | undefined {
    const waitMs = this.#auditAt - performance.now()
    const sink = this.#sink
    if (!isAudited(sink) || waitMs > TIMER_MS_MAX) return undefined
    const timer = setTimeout(() => void this.#runAudit(sink), Math.max(0, waitMs))
    timer.unref()
    return timer
  }

  /** Reads a list beside the watch. When the watch ends, the comparison ends: without it nobody knows what is on its way. */
  async #runAudit(sink: AuditedSink): Promise<void> {
    this.#planAudit()
    let audit = new ListAudit(sink)
    this.#audit = audit
    const assertGoesOn = (): void => {
      if (this.#audit !== audit) throw new Error('the watch ended')
    }
    try {
      let hasBegun = false
      const version = await this.#readPages(
        () => {
          assertGoesOn()
          if (hasBegun) this.#audit = audit = new ListAudit(sink)
          hasBegun = true
        },
        (object) => {
          assertGoesOn()
          audit.compare(object)
        },
      )
      assertGoesOn()
      audit.endList()
      this.#auditVersion = version
      if (audit.suspectCount > 0 && isLower(this.#version!, version)) {
        // Where no bookmarks come, the time that events take has to do.
        await delay(this.#timing.silenceMsMax, undefined, { signal: this.#stopped.signal, ref: false })
      }
      if (this.#audit === audit) this.#finishAudit()
    } catch {
      // What is wrong with the server the watch finds out too.
      if (this.#audit === audit) this.#endAudit()
    }
  }

  #finishAudit(): void {
    const { isHopeless } = this.#audit!
    const repairs = this.#audit!.repair()
    this.#endAudit()
    this.counts.audits++
    this.counts.repairs += repairs
    if (repairs > 0) {
      const what =
        repairs === 1
          ? '1 object was not as the API server has it'
          : `${repairs} objects were not as the API server has them`
      this.#log.warning(`${this.resource.name}: ${what}: repaired`)
    }
    this.#onAudited?.(repairs)
    if (isHopeless) this.#relist?.()
  }

  #endAudit(): void {
    this.#audit = undefined
    this.#auditVersion = undefined
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

function isProtobuf({ headers }: IncomingMessage): boolean {
  return headers['content-type']?.startsWith(PROTOBUF_FORM) === true
}

function isAudited(sink: ObjectSink): sink is AuditedSink {
  return 'beginAudit' in sink
}

/** The version asked for is gone (compacted), or one that this server never had. */
function isExpired({ code, reason, message }: ApiError): boolean {
  return code === 410 || reason === 'Expired' || reason === 'Gone' || /too large resource version/i.test(message)
}

/** Versions are the store's counter; what is no number can't be compared. */
function isLower(a: string, b: string): boolean {
  return /^\d+$/.test(a) && /^\d+$/.test(b) && BigInt(a) < BigInt(b)
}
