/**
 * The source: keeps a model of the cluster equal to what the API server holds, and everybody who publishes from it up to date.
 *
 *   api/       one list and watch per resource        model/     what of the objects makes names
 *   publish/   names as RRsets, change by change
 *
 *   ListWatch ×4 ─► ClusterModel ─ changed ─► flush: takeChanges ─► every view ─► commit in all processes
 *
 * Views publish for the first time when every resource was listed whole. From then on they keep what they have while the API
 * is away. Changes that come while a flush is under way are the next one's, so a busy cluster gives larger flushes, not a longer queue.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '../../observe/logger.ts'
import type { ApiAccess } from './api/api-access.ts'
import { ApiClient, type ApiObserver } from './api/api-client.ts'
import { ListWatch, type ListWatchTiming, type ObjectSink, type Resource, TIMING_DEFAULT } from './api/list-watch.ts'
import type { RateLimits } from './api/rate-limit.ts'
import { ClusterModel, inputsOf, type ModelChanges } from './model/cluster-model.ts'
import { readService, type SliceFields } from './model/objects.ts'
import type { ClusterView } from './publish/cluster-view.ts'

/** After records could not be published: until all of them are published anew. */
const REPUBLISH_MS = 5000

export interface ClusterSourceOptions {
  readonly access: ApiAccess
  readonly limits: RateLimits
  readonly log: Logger
  readonly observer: ClusterObserver
  /** Only these namespaces; empty for all. */
  readonly namespaces: readonly string[]
  readonly labels: string | undefined
  readonly namespaceLabels: string | undefined
  readonly sliceFields: SliceFields
  readonly watches: { readonly endpoints: boolean; readonly pods: boolean; readonly imports: boolean }
  readonly timing?: ListWatchTiming
}

/** Whoever counts. */
export interface ClusterObserver extends ApiObserver {
  /** A change of endpoints is served by every process, so many seconds after what caused it. */
  onProgrammed(serviceKind: 'cluster_ip' | 'headless_with_selector', seconds: number): void
}

/** Pods that are over have no names. */
const POD_FIELDS = 'status.phase!=Succeeded,status.phase!=Failed,status.phase!=Unknown'

export class ClusterSource {
  readonly model: ClusterModel
  readonly lists: readonly ListWatch[]
  readonly #log: Logger
  readonly #observer: ClusterObserver
  readonly #client: ApiClient
  readonly #stopped = new AbortController()
  readonly #views: ClusterView[] = []
  #newViews: { readonly view: ClusterView; readonly published: () => void }[] = []
  #unlisted: number
  #hasChanges = false
  #serial = 0
  #wake: () => void = () => {}
  #running: Promise<void> | undefined

  constructor(options: ClusterSourceOptions) {
    const { access, limits, log, observer, labels, namespaceLabels, watches, timing } = options
    this.#log = log
    this.#observer = observer
    this.#client = new ApiClient({ access, observer, limits })
    const model = new ClusterModel(options)
    this.model = model
    const resources: [Resource, ObjectSink][] = [
      [resource('namespaces', '/api/v1/namespaces', namespaceLabels), model.namespaceSink()],
      [resource('services', '/api/v1/services', labels), model.serviceSink()],
    ]
    if (watches.endpoints) {
      const path = '/apis/discovery.k8s.io/v1/endpointslices'
      resources.push([resource('endpointslices', path, labels), model.sliceSink()])
    }
    if (watches.pods) {
      resources.push([{ ...resource('pods', '/api/v1/pods', labels), fieldSelector: POD_FIELDS }, model.podSink()])
    }
    if (watches.imports) {
      const path = '/apis/multicluster.x-k8s.io/v1alpha1/serviceimports'
      resources.push([resource('serviceimports', path, undefined), model.serviceImportSink()])
    }
    this.#unlisted = resources.length
    this.lists = resources.map(
      ([each, sink]) =>
        new ListWatch({
          client: this.#client,
          resource: each,
          sink,
          log,
          timing: timing ?? TIMING_DEFAULT,
          onSynced: () => {
            this.#unlisted--
            this.#wake()
          },
        }),
    )
    model.onChange = () => {
      if (this.#hasChanges) return
      this.#hasChanges = true
      // Events that arrived together are published together.
      setImmediate(() => this.#wake())
    }
  }

  /** Every resource was listed whole. */
  get isSynced(): boolean {
    return this.#unlisted === 0
  }

  /** Seconds since the API server last showed that nothing is missing here; of the resource that is worst off. */
  get staleSeconds(): number {
    return Math.max(...this.lists.map(({ staleMs }) => staleMs)) / 1000
  }

  /** Adds somebody who publishes. Resolves when everything is published there. */
  addView(view: ClusterView): Promise<void> {
    return new Promise((resolve) => {
      this.#newViews.push({ view, published: resolve })
      this.#wake()
    })
  }

  /** The view is told of nothing any more. */
  removeView(view: ClusterView): void {
    const at = this.#views.indexOf(view)
    if (at >= 0) this.#views.splice(at, 1)
    this.#newViews = this.#newViews.filter((each) => each.view !== view)
  }

  start(): void {
    for (const list of this.lists) list.start()
    this.#running ??= this.#run()
  }

  /** Ends watches and publishing. What is served stays. */
  async stop(): Promise<void> {
    this.#stopped.abort()
    this.#wake()
    await Promise.all(this.lists.map((list) => list.stop()))
    this.#client.close()
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped
    while (!signal.aborted) {
      if (this.isSynced && this.#hasChanges) await this.#flush()
      else if (this.isSynced && this.#newViews.length > 0) await this.#publishNew()
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    }
  }

  /** Nothing is pending for the others now, so the snapshot is a starting point for all. */
  async #publishNew(): Promise<void> {
    const fresh = this.#newViews
    this.#newViews = []
    const snapshot = this.model.startTracking()
    this.#hasChanges = false
    for (const { view, published } of fresh) {
      try {
        await view.replaceAll(snapshot, this.#nextSerial())
        this.#views.push(view)
        published()
      } catch (error) {
        this.#log.error(`publishing failed: ${textOf(error)}`)
        this.#newViews.push({ view, published })
        await delay(REPUBLISH_MS, undefined, { signal: this.#stopped.signal }).catch(() => {})
      }
    }
  }

  async #flush(): Promise<void> {
    this.#hasChanges = false
    const changes = this.model.takeChanges()
    const serial = this.#nextSerial()
    for (const view of [...this.#views]) {
      try {
        await view.apply(changes, serial)
      } catch (error) {
        // What of the change was lost isn't known: all of it again.
        this.#log.error(`publishing failed: ${textOf(error)}`)
        this.removeView(view)
        this.#newViews.push({ view, published: () => {} })
        await delay(REPUBLISH_MS, undefined, { signal: this.#stopped.signal }).catch(() => {})
      }
    }
    this.#countProgrammed(changes)
  }

  #countProgrammed({ triggered }: ModelChanges): void {
    for (const { state, atMs } of triggered) {
      const { service } = inputsOf(state)
      if (service === '') continue
      const kind = readService(service).kind === 'headless' ? 'headless_with_selector' : 'cluster_ip'
      this.#observer.onProgrammed(kind, Math.max(0, Date.now() - atMs) / 1000)
    }
  }

  /** Unix time, as CoreDNS has it, but never the same twice. */
  #nextSerial(): number {
    this.#serial = Math.max(this.#serial + 1, Math.floor(Date.now() / 1000))
    return this.#serial
  }
}

function resource(name: string, path: string, labelSelector: string | undefined): Resource {
  return labelSelector === undefined ? { name, path } : { name, path, labelSelector }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
