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
import type { ObjectSink } from '../api/list-watch.ts'
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

  /** Everything as it is; from now on changes are set aside for `takeChanges`. */
  startTracking(): {
    readonly services: readonly ServiceInputs[]
    readonly states: readonly ServiceState[]
    readonly namespaces: readonly string[]
    readonly pods: readonly PodAddress[]
    readonly clients: readonly PodAddress[]
  } {
    this.#isTracking = true
    this.#before.clear()
    this.#changedNamespaces.clear()
    this.#changedPods.clear()
    this.#changedClients.clear()
    this.#triggered = []
    const states = [...this.#states()]
    const pods = [...this.#podAddresses.keys()].filter((address) => this.#isPodExposed(address))
    return {
      states,
      services: states.map(inputsOf),
      namespaces: [...this.#namespaces.values()].filter(({ isExposed }) => isExposed).map(({ name }) => name),
      pods,
      clients: pods.filter((address) => this.#isClient(address)),
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

  get counts(): Readonly<Record<'namespaces' | 'services' | 'slices' | 'pods', number>> {
    let services = 0
    for (const { text, imported } of this.#states()) if (text !== '' && !imported) services++
    return { namespaces: this.#namespaces.size, services, slices: this.#slices.size, pods: this.#pods.size }
  }

  namespaceSink(): ObjectSink {
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
    }
  }

  serviceSink(): ObjectSink {
    return this.#serviceSink(false, trimService)
  }

  serviceImportSink(): ObjectSink {
    return this.#serviceSink(true, trimServiceImport)
  }

  #serviceSink(imported: boolean, trim: (object: RawObject) => string): ObjectSink {
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
    }
  }

  sliceSink(): ObjectSink {
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
    }
  }

  podSink(): ObjectSink {
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
        // The new addresses first: one that stays is not taken away in between.
        const { hostNetwork } = pod
        this.#pods.set(key, { namespace, addresses, hostNetwork, seen: list })
        for (const address of pod.addresses) this.#countPodAddress(namespace, address, hostNetwork, 1)
        if (known !== undefined) this.#forgetPod(known)
      },
      remove: (raw) => this.#removePod(keyOf(raw as RawObject)),
      endList: () => {
        for (const [key, pod] of [...this.#pods]) if (pod.seen !== list) this.#removePod(key)
      },
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
      this.#touch(owner)
      const slice = { key, owner, text, seen: list }
      owner.slices = [...owner.slices, slice].sort((a, b) => (a.key < b.key ? -1 : 1))
      this.#slices.set(key, slice)
    }
    if (isEvent && this.#isTracking && !Number.isNaN(triggeredAtMs)) {
      this.#triggered.push({ state: owner, atMs: triggeredAtMs })
    }
  }

  #removeSlice(slice: SliceState): void {
    const { owner, key } = slice
    this.#touch(owner)
    this.#slices.delete(key)
    owner.slices = owner.slices.filter((each) => each !== slice)
    this.#dropEmpty(owner)
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
