/**
 * What the API server holds, as far as DNS is concerned, and what of it changed since it was last looked at.
 *
 *   ListWatch ─ put, remove, sweep ─► namespaces, services, slices, pods
 *                                        │ first change of a service: its inputs as they were are set aside
 *                                        ▼
 *                               takeChanges(): inputs before and after, of every service that changed
 *
 * Inputs are texts that never change, so before and after cost two small lists. Objects are held per namespace and service;
 * a slice may come before its service, and an object before its namespace.
 */
import type { AuditedSink } from '../api/list-audit.ts'
import {
  nameOf,
  namespaceOf,
  type RawObject,
  type SliceFields,
  trimPod,
  trimService,
  trimServiceImport,
  trimSlice,
} from './objects.ts'
import type { ServiceInputs } from './service-names.ts'

interface SliceState {
  readonly key: string
  readonly owner: ServiceState
  text: string
  seen: number
}

/** A service with everything that makes its names. */
export interface ServiceState {
  readonly namespace: NamespaceState
  readonly name: string
  readonly imported: boolean
  /** '' while only slices of it are known. */
  text: string
  slices: readonly SliceState[]
  seen: number
}

interface NamespaceState {
  readonly name: string
  /** It is there, and its names are to be served. */
  isExposed: boolean
  seen: number
  readonly services: Map<string, ServiceState>
  readonly imports: Map<string, ServiceState>
}

interface PodState {
  readonly namespace: string
  /** Addresses joined by commas. */
  readonly addresses: string
  readonly hostNetwork: boolean
  seen: number
}

export interface ServiceChange {
  readonly state: ServiceState
  readonly before: ServiceInputs
  readonly after: ServiceInputs
}

/** A change of endpoints that says when it was caused. */
export interface Triggered {
  readonly state: ServiceState
  readonly atMs: number
}

/** A pod's address in a namespace: `namespace address`. */
export type PodAddress = string

export interface ModelChanges {
  readonly services: readonly ServiceChange[]
  /** Namespaces that came or went, with whether they are there now. */
  readonly namespaces: ReadonlyMap<string, boolean>
  /** Addresses of pods that came or went, with whether they are there now. */
  readonly pods: ReadonlyMap<PodAddress, boolean>
  /** The same of pods with a network of their own: only these can be told by their address. */
  readonly clients: ReadonlyMap<PodAddress, boolean>
  readonly triggered: readonly Triggered[]
}

/** Everything as it is at one moment. */
export interface Snapshot {
  services(): Iterable<{ readonly state: ServiceState; readonly inputs: ServiceInputs }>
  /** Those that are served. */
  namespaces(): Iterable<string>
  pods(): Iterable<PodAddress>
  clients(): Iterable<PodAddress>
}

/** An object as it is kept on disk. What its texts are like is told by SAVED_FORM. */
export type SavedObject =
  | readonly [kind: 'namespace', name: string]
  | readonly [kind: 'service' | 'import', namespace: string, name: string, text: string]
  | readonly [kind: 'slice', namespace: string, name: string, owner: string, isImported: 0 | 1, text: string]
  | readonly [kind: 'pod', namespace: string, name: string, addresses: string, hostNetwork: 0 | 1]

/** To be raised when the texts of objects change: what an older version kept is not read. */
export const SAVED_FORM = 1

export interface ModelOptions {
  /** Only these; empty for all. */
  readonly namespaces: readonly string[]
  readonly sliceFields: SliceFields
}

export class ClusterModel {
  readonly #only: ReadonlySet<string>
  readonly #sliceFields: SliceFields
  readonly #namespaces = new Map<string, NamespaceState>()
  readonly #slices = new Map<string, SliceState>()
  readonly #pods = new Map<string, PodState>()
  /** How many pods have an address in a namespace. */
  readonly #podAddresses = new Map<PodAddress, number>()
  /** How many of them have their node's. */
  readonly #nodeAddresses = new Map<PodAddress, number>()
  #before = new Map<ServiceState, ServiceInputs>()
  #changedNamespaces = new Map<string, boolean>()
  #changedPods = new Map<PodAddress, boolean>()
  #changedClients = new Map<PodAddress, boolean>()
  #triggered: Triggered[] = []
  #isTracking = false
  /** Called when something changed that `takeChanges` will tell. */
  onChange: () => void = () => {}

  constructor({ namespaces, sliceFields }: ModelOptions) {
    this.#only = new Set(namespaces)
    this.#sliceFields = sliceFields
  }

  /**
   * Everything as it is; from now on changes are set aside for `takeChanges`. What it gives is worked out while it is read, so that a
   * large cluster isn't copied; it holds until `takeChanges` or `startTracking` is called.
   */
  startTracking(): Snapshot {
    this.#isTracking = true
    this.#before.clear()
    this.#changedNamespaces.clear()
    this.#changedPods.clear()
    this.#changedClients.clear()
    this.#triggered = []
    const model = this
    return {
      *services() {
        for (const state of model.#states()) yield { state, inputs: model.#before.get(state) ?? inputsOf(state) }
      },
      *namespaces() {
        for (const { name, isExposed } of model.#namespaces.values()) if (isExposed) yield name
      },
      *pods() {
        for (const address of model.#podAddresses.keys()) if (model.#isPodExposed(address)) yield address
      },
      *clients() {
        for (const address of this.pods()) if (model.#isClient(address)) yield address
      },
    }
  }

  /** What changed since the last call, and forgets it. */
  takeChanges(): ModelChanges {
    const services = [...this.#before].map(([state, before]) => ({ state, before, after: inputsOf(state) }))
    const changes = {
      services,
      namespaces: this.#changedNamespaces,
      pods: this.#changedPods,
      clients: this.#changedClients,
      triggered: this.#triggered,
    }
    this.#before = new Map()
    this.#changedNamespaces = new Map()
    this.#changedPods = new Map()
    this.#changedClients = new Map()
    this.#triggered = []
    for (const { state } of services) this.#dropEmpty(state)
    return changes
  }

  /** Everything, for keeping it on disk. Objects may change while it is read: each is as it was when it was read. */
  *saved(): Generator<SavedObject> {
    for (const { name, isExposed } of this.#namespaces.values()) if (isExposed) yield ['namespace', name]
    for (const { namespace, name, imported, text } of this.#states()) {
      if (text !== '') yield [imported ? 'import' : 'service', namespace.name, name, text]
    }
    for (const { key, owner, text } of this.#slices.values()) {
      yield ['slice', ...splitKey(key), owner.name, owner.imported ? 1 : 0, text]
    }
    for (const [key, { addresses, hostNetwork }] of this.#pods) {
      yield ['pod', ...splitKey(key), addresses, hostNetwork ? 1 : 0]
    }
  }

  /**
   * Takes an object that was kept on disk, unless it is known already: from the API, which knows better. Objects that the next whole list
   * of their kind doesn't name are gone with it.
   */
  restore(saved: SavedObject): void {
    const [kind, namespace] = saved
    if (!this.#isWanted(namespace)) return
    switch (kind) {
      case 'namespace': {
        if (this.#namespaces.get(namespace)?.isExposed !== true) this.#expose(this.#namespace(namespace), true)
        break
      }
      case 'service':
      case 'import': {
        const state = this.#service(namespace, saved[2], kind === 'import')
        if (state.text === '') this.#setService(state, saved[3])
        break
      }
      case 'slice': {
        const key = `${namespace}/${saved[2]}`
        if (!this.#slices.has(key)) this.#addSlice(key, this.#service(namespace, saved[3], saved[4] === 1), saved[5], 0)
        break
      }
      default: {
        const key = `${namespace}/${saved[2]}`
        if (!this.#pods.has(key)) this.#setPod(key, namespace, saved[3], saved[4] === 1, 0)
      }
    }
  }

  get counts(): Readonly<Record<'namespaces' | 'services' | 'slices' | 'pods', number>> {
    let services = 0
    for (const { text, imported } of this.#states()) if (text !== '' && !imported) services++
    return { namespaces: this.#namespaces.size, services, slices: this.#slices.size, pods: this.#pods.size }
  }

  namespaceSink(): AuditedSink {
    let list = 0
    return {
      beginList: () => {
        list++
      },
      put: (raw) => {
        const object = raw as RawObject
        const name = nameOf(object)
        if (name === '' || !this.#isWanted(name)) return
        const namespace = this.#namespace(name)
        namespace.seen = list
        this.#expose(namespace, true)
      },
      remove: (raw) => {
        const namespace = this.#namespaces.get(nameOf(raw as RawObject))
        if (namespace !== undefined) this.#expose(namespace, false)
      },
      endList: () => {
        for (const namespace of this.#namespaces.values()) {
          if (namespace.isExposed && namespace.seen !== list) this.#expose(namespace, false)
        }
      },
      beginAudit: () => {
        list++
      },
      isKnown: (raw) => {
        const name = nameOf(raw as RawObject)
        if (name === '' || !this.#isWanted(name)) return true
        const namespace = this.#namespaces.get(name)
        if (namespace !== undefined) namespace.seen = list
        return namespace?.isExposed === true
      },
      unlisted: () =>
        [...this.#namespaces.values()]
          .filter(({ isExposed, seen }) => isExposed && seen !== list)
          .map(({ name }) => asObject('', name)),
    }
  }

  serviceSink(): AuditedSink {
    return this.#serviceSink(false, trimService)
  }

  serviceImportSink(): AuditedSink {
    return this.#serviceSink(true, trimServiceImport)
  }

  #serviceSink(imported: boolean, trim: (object: RawObject) => string): AuditedSink {
    let list = 0
    const find = (object: RawObject): ServiceState | undefined => {
      const namespace = this.#namespaces.get(namespaceOf(object))
      return (imported ? namespace?.imports : namespace?.services)?.get(nameOf(object))
    }
    return {
      beginList: () => {
        list++
      },
      put: (raw) => {
        const object = raw as RawObject
        if (!this.#isWanted(namespaceOf(object)) || nameOf(object) === '') return
        const state = this.#service(namespaceOf(object), nameOf(object), imported)
        state.seen = list
        this.#setService(state, trim(object))
      },
      remove: (raw) => {
        const state = find(raw as RawObject)
        if (state !== undefined) this.#setService(state, '')
      },
      endList: () => {
        for (const state of [...this.#states()]) {
          if (state.imported === imported && state.text !== '' && state.seen !== list) this.#setService(state, '')
        }
      },
      beginAudit: () => {
        list++
      },
      isKnown: (raw) => {
        const object = raw as RawObject
        if (!this.#isWanted(namespaceOf(object)) || nameOf(object) === '') return true
        const state = find(object)
        if (state !== undefined) state.seen = list
        return state?.text === trim(object)
      },
      unlisted: () =>
        [...this.#states()]
          .filter((state) => state.imported === imported && state.text !== '' && state.seen !== list)
          .map(({ namespace, name }) => asObject(namespace.name, name)),
    }
  }

  sliceSink(): AuditedSink {
    let list = 0
    let isListing = false
    return {
      beginList: () => {
        list++
        isListing = true
      },
      put: (raw) => {
        const object = raw as RawObject
        const namespace = namespaceOf(object)
        if (!this.#isWanted(namespace)) return
        this.#putSlice(object, list, !isListing)
      },
      remove: (raw) => {
        const slice = this.#slices.get(keyOf(raw as RawObject))
        if (slice !== undefined) this.#removeSlice(slice)
      },
      endList: () => {
        isListing = false
        for (const slice of [...this.#slices.values()]) if (slice.seen !== list) this.#removeSlice(slice)
      },
      beginAudit: () => {
        list++
      },
      isKnown: (raw) => {
        const object = raw as RawObject
        if (!this.#isWanted(namespaceOf(object))) return true
        const slice = this.#slices.get(keyOf(object))
        if (slice !== undefined) slice.seen = list
        const { service, imported, text } = trimSlice(object, this.#sliceFields)
        const name = imported !== '' ? imported : service
        if (slice === undefined || name === '') return slice === undefined && name === ''
        return slice.text === text && slice.owner.name === name && slice.owner.imported === (imported !== '')
      },
      unlisted: () =>
        [...this.#slices.values()].filter(({ seen }) => seen !== list).map(({ key }) => asObject(...splitKey(key))),
    }
  }

  podSink(): AuditedSink {
    let list = 0
    return {
      beginList: () => {
        list++
      },
      put: (raw) => {
        const object = raw as RawObject
        const namespace = namespaceOf(object)
        if (!this.#isWanted(namespace)) return
        const key = keyOf(object)
        const pod = trimPod(object)
        if (pod === undefined || pod.addresses.length === 0) {
          this.#removePod(key)
          return
        }
        const addresses = pod.addresses.join()
        const known = this.#pods.get(key)
        if (known?.addresses === addresses && known.hostNetwork === pod.hostNetwork) {
          known.seen = list
          return
        }
        this.#setPod(key, namespace, addresses, pod.hostNetwork, list)
      },
      remove: (raw) => this.#removePod(keyOf(raw as RawObject)),
      endList: () => {
        for (const [key, pod] of [...this.#pods]) if (pod.seen !== list) this.#removePod(key)
      },
      beginAudit: () => {
        list++
      },
      isKnown: (raw) => {
        const object = raw as RawObject
        if (!this.#isWanted(namespaceOf(object))) return true
        const known = this.#pods.get(keyOf(object))
        if (known !== undefined) known.seen = list
        const pod = trimPod(object)
        if (pod === undefined || pod.addresses.length === 0) return known === undefined
        return known?.addresses === pod.addresses.join() && known.hostNetwork === pod.hostNetwork
      },
      unlisted: () =>
        [...this.#pods].filter(([, { seen }]) => seen !== list).map(([key]) => asObject(...splitKey(key))),
    }
  }

  #isWanted(namespace: string): boolean {
    return this.#only.size === 0 || this.#only.has(namespace)
  }

  *#states(): Generator<ServiceState> {
    for (const { services, imports } of this.#namespaces.values()) {
      yield* services.values()
      yield* imports.values()
    }
  }

  #namespace(name: string): NamespaceState {
    let namespace = this.#namespaces.get(name)
    if (namespace === undefined) {
      namespace = { name, isExposed: false, seen: 0, services: new Map(), imports: new Map() }
      this.#namespaces.set(name, namespace)
    }
    return namespace
  }

  #service(namespaceName: string, name: string, imported: boolean): ServiceState {
    const namespace = this.#namespace(namespaceName)
    const services = imported ? namespace.imports : namespace.services
    let state = services.get(name)
    if (state === undefined) {
      state = { namespace, name, imported, text: '', slices: NO_SLICES, seen: 0 }
      services.set(name, state)
    }
    return state
  }

  #expose(namespace: NamespaceState, isExposed: boolean): void {
    if (namespace.isExposed === isExposed) return
    for (const state of namespace.services.values()) this.#touch(state)
    for (const state of namespace.imports.values()) this.#touch(state)
    namespace.isExposed = isExposed
    if (this.#isTracking) {
      this.#changedNamespaces.set(namespace.name, isExposed)
      for (const pod of this.#podAddresses.keys()) {
        if (!pod.startsWith(`${namespace.name} `)) continue
        this.#changedPods.set(pod, isExposed)
        this.#changedClients.set(pod, isExposed && this.#isClient(pod))
      }
      this.onChange()
    }
    this.#dropNamespace(namespace)
  }

  #setService(state: ServiceState, text: string): void {
    if (state.text === text) return
    this.#touch(state)
    state.text = text
    this.#dropEmpty(state)
  }

  #putSlice(object: RawObject, list: number, isEvent: boolean): void {
    const { service, imported, text, triggeredAtMs } = trimSlice(object, this.#sliceFields)
    const key = keyOf(object)
    const known = this.#slices.get(key)
    const name = imported !== '' ? imported : service
    if (name === '') {
      if (known !== undefined) this.#removeSlice(known)
      return
    }
    const owner = this.#service(namespaceOf(object), name, imported !== '')
    if (known !== undefined && known.owner === owner) {
      known.seen = list
      if (known.text === text) return
      this.#touch(owner)
      // The slice is in lists that were set aside, so the text is changed in a slice of its own.
      const slice = { key, owner, text, seen: list }
      owner.slices = owner.slices.map((each) => (each === known ? slice : each))
      this.#slices.set(key, slice)
    } else {
      if (known !== undefined) this.#removeSlice(known)
      this.#addSlice(key, owner, text, list)
    }
    if (isEvent && this.#isTracking && !Number.isNaN(triggeredAtMs)) {
      this.#triggered.push({ state: owner, atMs: triggeredAtMs })
    }
  }

  #addSlice(key: string, owner: ServiceState, text: string, seen: number): void {
    this.#touch(owner)
    const slice = { key, owner, text, seen }
    owner.slices = [...owner.slices, slice].sort((a, b) => (a.key < b.key ? -1 : 1))
    this.#slices.set(key, slice)
  }

  #removeSlice(slice: SliceState): void {
    const { owner, key } = slice
    this.#touch(owner)
    this.#slices.delete(key)
    owner.slices = owner.slices.filter((each) => each !== slice)
    this.#dropEmpty(owner)
  }

  #setPod(key: string, namespace: string, addresses: string, hostNetwork: boolean, seen: number): void {
    const known = this.#pods.get(key)
    this.#pods.set(key, { namespace, addresses, hostNetwork, seen })
    // The new addresses first: one that stays is not taken away in between.
    for (const address of addresses.split(',')) this.#countPodAddress(namespace, address, hostNetwork, 1)
    if (known !== undefined) this.#forgetPod(known)
  }

  #removePod(key: string): void {
    const pod = this.#pods.get(key)
    if (pod === undefined) return
    this.#pods.delete(key)
    this.#forgetPod(pod)
  }

  #forgetPod({ namespace, addresses, hostNetwork }: PodState): void {
    for (const address of addresses.split(',')) this.#countPodAddress(namespace, address, hostNetwork, -1)
  }

  #countPodAddress(namespace: string, address: string, isNode: boolean, change: number): void {
    const key = `${namespace} ${address}`
    const wasThere = this.#podAddresses.has(key)
    const wasClient = this.#isClient(key)
    addTo(this.#podAddresses, key, change)
    if (isNode) addTo(this.#nodeAddresses, key, change)
    if (!this.#isTracking) return
    const isThere = this.#podAddresses.has(key)
    const isClient = this.#isClient(key)
    if (isThere !== wasThere) this.#changedPods.set(key, isThere && this.#isPodExposed(key))
    if (isClient !== wasClient) this.#changedClients.set(key, isClient && this.#isPodExposed(key))
    if (isThere !== wasThere || isClient !== wasClient) this.onChange()
  }

  /** Some pod has the address to itself. */
  #isClient(key: PodAddress): boolean {
    return (this.#podAddresses.get(key) ?? 0) > (this.#nodeAddresses.get(key) ?? 0)
  }

  #isPodExposed(address: PodAddress): boolean {
    return this.#namespaces.get(address.slice(0, address.indexOf(' ')))?.isExposed === true
  }

  /** Call it before a service changes. */
  #touch(state: ServiceState): void {
    if (!this.#isTracking) return
    if (!this.#before.has(state)) this.#before.set(state, inputsOf(state))
    this.onChange()
  }

  /** A service of which nothing is left is forgotten, but not before its change was told. */
  #dropEmpty(state: ServiceState): void {
    const { namespace, name, imported, text, slices } = state
    if (text !== '' || slices.length > 0 || this.#before.has(state)) return
    const services = imported ? namespace.imports : namespace.services
    if (services.get(name) === state) services.delete(name)
    this.#dropNamespace(namespace)
  }

  #dropNamespace(namespace: NamespaceState): void {
    const { isExposed, services, imports, name } = namespace
    if (!isExposed && services.size === 0 && imports.size === 0) this.#namespaces.delete(name)
  }
}

function addTo(counts: Map<PodAddress, number>, key: PodAddress, change: number): void {
  const count = (counts.get(key) ?? 0) + change
  if (count > 0) counts.set(key, count)
  else counts.delete(key)
}

const NO_SLICES: readonly SliceState[] = []

/** The service as it is now; a namespace that isn't served has no services. */
export function inputsOf({ namespace, name, imported, text, slices }: ServiceState): ServiceInputs {
  const { isExposed } = namespace
  return {
    namespace: namespace.name,
    name,
    imported,
    service: isExposed ? text : '',
    slices: isExposed ? slices.map((slice) => slice.text) : [],
  }
}

/** Objects of a kind by namespace and name. */
function keyOf(object: RawObject): string {
  return `${namespaceOf(object)}/${nameOf(object)}`
}

function splitKey(key: string): [namespace: string, name: string] {
  const slash = key.indexOf('/')
  return [key.slice(0, slash), key.slice(slash + 1)]
}

/** What `remove` needs of an object. */
function asObject(namespace: string, name: string): RawObject {
  return { metadata: { namespace, name } }
}
