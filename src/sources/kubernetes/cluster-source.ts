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
 *
 * With a snapshot on disk (snapshot-file.ts) a source that can't list publishes that first, marked as stale: until every resource was
 * listed whole.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '../../observe/logger.ts'
import type { ApiAccess } from './api/api-access.ts'
import { ApiClient, type ApiObserver } from './api/api-client.ts'
import type { AuditedSink } from './api/list-audit.ts'
import { ListWatch, type ListWatchTiming, type Resource, TIMING_DEFAULT } from './api/list-watch.ts'
import { ENDPOINT_SLICE, NAMESPACE, POD, SERVICE } from './api/object-schemas.ts'
import type { Schema } from './api/protobuf.ts'
import type { RateLimits } from './api/rate-limit.ts'
import { compactHeap, trimFreeLists } from './give-back-memory.ts'
import { ClusterModel, inputsOf, type ModelChanges, type SavedObject } from './model/cluster-model.ts'
import { readService, type SliceFields } from './model/objects.ts'
import type { ClusterView, Edition } from './publish/cluster-view.ts'

/** After records could not be published: until all of them are published anew. */
const REPUBLISH_MS = 5000
/** An API server that says nothing for so long is away, as far as the snapshot is concerned. */
const SNAPSHOT_PATIENCE_MS = 400
/** Between two snapshots while names change, and while they don't: then only the time in it is old. */
const SNAPSHOT_MS = 60_000
const SNAPSHOT_QUIET_MS = 600_000
/** Between two looks whether there is something to keep. */
const SNAPSHOT_LOOK_MS = 5000
/** After a list, so that several are one pause. */
const TRIM_DELAY_MS = 1000
/** Reading so many objects leaves enough behind to be worth a pause. */
const LARGE_COUNT = 5000

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
  /** File that the last state is kept in; undefined for none. */
  readonly snapshot?: string | undefined
}

/** Whoever counts. */
export interface ClusterObserver extends ApiObserver {
  /** A change of endpoints is served by every process, so many seconds after what caused it. */
  onProgrammed(serviceKind: 'cluster_ip' | 'headless_with_selector', seconds: number): void
  /** What is known of a resource was compared with a fresh list: so many objects were wrong. */
  onAudited(resource: string, repairs: number): void
}

interface NewView {
  readonly view: ClusterView
  readonly published: () => void
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
  #newViews: NewView[] = []
  readonly #snapshot: string | undefined
  /** Of the snapshot: only the same options make the same of its texts. */
  readonly #whose: string
  /** What the model holds is from the snapshot, in part at least, and was right then: milliseconds since 1970. */
  #asOfMs: number | undefined
  #restoring: Promise<void> | undefined
  #saving: Promise<void> = Promise.resolve()
  /** On the clock of `performance.now()`. */
  #savedAt = Number.NEGATIVE_INFINITY
  #isSaved = false
  #isLarge = false
  #trimming: NodeJS.Timeout | undefined
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
    const resources: [Resource, AuditedSink][] = [
      [resource('namespaces', '/api/v1/namespaces', namespaceLabels, NAMESPACE), model.namespaceSink()],
      [resource('services', '/api/v1/services', labels, SERVICE), model.serviceSink()],
    ]
    if (watches.endpoints) {
      const path = '/apis/discovery.k8s.io/v1/endpointslices'
      resources.push([resource('endpointslices', path, labels, ENDPOINT_SLICE), model.sliceSink()])
    }
    if (watches.pods) {
      resources.push([{ ...resource('pods', '/api/v1/pods', labels, POD), fieldSelector: POD_FIELDS }, model.podSink()])
    }
    if (watches.imports) {
      const path = '/apis/multicluster.x-k8s.io/v1alpha1/serviceimports'
      resources.push([resource('serviceimports', path, undefined), model.serviceImportSink()])
    }
    this.lists = resources.map(
      ([each, sink]) =>
        new ListWatch({
          client: this.#client,
          resource: each,
          sink,
          log,
          timing: timing ?? TIMING_DEFAULT,
          onListed: () => this.#listed(),
          onFailed: () => this.#restore(),
          onAudited: (repairs) => observer.onAudited(each.name, repairs),
        }),
    )
    this.#snapshot = options.snapshot
    const { namespaces, sliceFields } = options
    this.#whose = JSON.stringify([access.server.href, namespaces, labels, namespaceLabels, sliceFields, watches])
    model.onChange = () => {
      this.#isSaved = false
      if (this.#hasChanges) return
      this.#hasChanges = true
      // Events that arrived together are published together.
      setImmediate(() => this.#wake())
    }
  }

  /** Every resource was listed whole. */
  get isSynced(): boolean {
    return this.lists.every(({ isSynced }) => isSynced)
  }

  /** What is published is from the snapshot. */
  get isStale(): boolean {
    return this.#asOfMs !== undefined
  }

  /** Seconds since the API server last showed that nothing is missing here; of the resource that is worst off. */
  get staleSeconds(): number {
    if (this.#asOfMs !== undefined) return Math.max(0, Date.now() - this.#asOfMs) / 1000
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
    if (this.#snapshot !== undefined) this.#keepSnapshot(this.#snapshot)
  }

  /** Ends watches and publishing. What is served stays. */
  async stop(): Promise<void> {
    this.#stopped.abort()
    this.#wake()
    const { staleSeconds } = this
    await Promise.all(this.lists.map((list) => list.stop()))
    this.#client.close()
    await this.#running
    await this.#restoring
    if (this.#snapshot !== undefined) await this.#save(this.#snapshot, staleSeconds)
  }

  /** A resource was listed whole, perhaps not for the first time. */
  #listed(): void {
    if (this.isSynced && this.isStale) {
      this.#asOfMs = undefined
      this.#hasChanges = true
    }
    if (this.#isLarge) this.#trimming ??= setTimeout(() => this.#trim(), TRIM_DELAY_MS).unref()
    this.#wake()
  }

  #trim(): void {
    this.#trimming = undefined
    trimFreeLists()
  }

  #keepSnapshot(path: string): void {
    setTimeout(() => this.#restore(), SNAPSHOT_PATIENCE_MS).unref()
    const timer = setInterval(() => {
      const ageMs = performance.now() - this.#savedAt
      if (ageMs > (this.#isSaved ? SNAPSHOT_QUIET_MS : SNAPSHOT_MS)) void this.#save(path, this.staleSeconds)
    }, SNAPSHOT_LOOK_MS)
    timer.unref()
    this.#stopped.signal.addEventListener('abort', () => clearInterval(timer))
  }

  /** The API server doesn't answer: what was known when this was written has to do. Once. */
  #restore(): void {
    const path = this.#snapshot
    if (path === undefined || this.#restoring !== undefined || this.isSynced || this.#stopped.signal.aborted) return
    this.#restoring = this.#readSnapshot(path)
  }

  async #readSnapshot(path: string): Promise<void> {
    try {
      const { readSnapshot } = await import('./snapshot-file.ts')
      const asOfMs = await readSnapshot(path, this.#whose, (object) => this.#restoreObject(object))
      if (this.isSynced) return
      this.#asOfMs = asOfMs
      this.#log.warning(`the API server does not answer: names are those of ${new Date(asOfMs).toISOString()}`)
      this.#wake()
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'ENOENT') this.#log.info(`there is no snapshot ${path} yet`)
      else this.#log.warning(`snapshot ${path} is not used: ${textOf(error)}`)
    }
  }

  /** What was listed whole needs nothing from the snapshot. */
  #restoreObject(object: SavedObject): void {
    const list = this.lists.find(({ resource: { name } }) => name === RESOURCE_OF[object[0]])
    if (list?.isSynced === false) this.model.restore(object)
  }

  /** `staleSeconds`: how old what is known may be. */
  #save(path: string, staleSeconds: number): Promise<void> {
    this.#saving = this.#saving.then(async () => {
      if (!this.isSynced) return
      this.#isSaved = true
      this.#savedAt = performance.now()
      try {
        const { writeSnapshot } = await import('./snapshot-file.ts')
        await writeSnapshot(path, this.#whose, Date.now() - staleSeconds * 1000, this.model.saved())
      } catch (error) {
        this.#log.warning(`snapshot ${path} can't be written: ${textOf(error)}`)
      }
    })
    return this.#saving
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped
    while (!signal.aborted) {
      const isUsable = this.isSynced || this.isStale
      if (isUsable && this.#hasChanges) await this.#flush()
      else if (isUsable && this.#newViews.some((each) => this.#isWelcome(each))) await this.#publishNew()
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    }
  }

  #isWelcome({ view }: NewView): boolean {
    return !this.isStale || view.freshOnly !== true
  }

  /** Nothing is pending for the others now, so the snapshot is a starting point for all. */
  async #publishNew(): Promise<void> {
    const { yes: fresh = [], no: later = [] } = Object.groupBy(this.#newViews, (each) =>
      this.#isWelcome(each) ? 'yes' : 'no',
    )
    this.#newViews = later
    const snapshot = this.model.startTracking()
    this.#hasChanges = false
    const edition = this.#nextEdition()
    const isFirst = this.#views.length === 0
    for (const { view, published } of fresh) {
      try {
        await view.replaceAll(snapshot, edition)
        this.#views.push(view)
        if (isFirst) this.#giveBackMemory()
        published()
      } catch (error) {
        this.#log.error(`publishing failed: ${textOf(error)}`)
        this.#newViews.push({ view, published })
        await delay(REPUBLISH_MS, undefined, { signal: this.#stopped.signal }).catch(() => {})
      }
    }
  }

  /** The start waits for the first view, so a pause is nobody's. */
  #giveBackMemory(): void {
    if (this.#isLarge) return
    const { services, slices, pods } = this.model.counts
    this.#isLarge = services + slices + pods >= LARGE_COUNT
    if (!this.#isLarge) return
    compactHeap()
    trimFreeLists()
  }

  async #flush(): Promise<void> {
    this.#hasChanges = false
    const changes = this.model.takeChanges()
    const edition = this.#nextEdition()
    for (const view of [...this.#views]) {
      try {
        await view.apply(changes, edition)
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

  /** The serial is Unix time, as CoreDNS has it, but never the same twice. */
  #nextEdition(): Edition {
    this.#serial = Math.max(this.#serial + 1, Math.floor(Date.now() / 1000))
    return { serial: this.#serial, isStale: this.isStale }
  }
}

/** Resources by kind of the objects that are kept. */
const RESOURCE_OF: Readonly<Record<SavedObject[0], string>> = {
  namespace: 'namespaces',
  service: 'services',
  import: 'serviceimports',
  slice: 'endpointslices',
  pod: 'pods',
}

function resource(name: string, path: string, labelSelector: string | undefined, schema?: Schema): Resource {
  return {
    name,
    path,
    ...(labelSelector === undefined ? {} : { labelSelector }),
    ...(schema === undefined ? {} : { schema }),
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
