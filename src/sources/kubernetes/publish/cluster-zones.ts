/**
 * The zones of the `kubernetes` plugin in the record store, kept equal to the cluster: first all of it, then change by
 * change. A change of one service touches that service's names, those of its addresses, and the SOA.
 *
 *   forward zones       names of services, namespaces and pods; multicluster ones have the imported services instead
 *   other zones         names of addresses (PTR), each in the longest zone that holds it
 */
import { isAtOrBelow } from '../../../wire/name.ts'
import type { ZonePublisher } from '../../../zone/zone-change.ts'
import {
  inputsOf,
  type ModelChanges,
  type PodAddress,
  type ServiceState,
  type Snapshot,
} from '../model/cluster-model.ts'
import { podLabel } from '../model/pod-label.ts'
import {
  packAddress,
  RelativeRecords,
  relativeName,
  TYPE_A,
  TYPE_AAAA,
  TYPE_NS,
  TYPE_PTR,
  TYPE_TXT,
} from '../model/relative-records.ts'
import {
  keepName,
  type NamingRules,
  openService,
  type Pointers,
  type ServiceInputs,
  servicePointers,
  serviceRecords,
} from '../model/service-names.ts'
import { AddressIndex } from './address-index.ts'
import type { ClusterView, Edition } from './cluster-view.ts'
import { reverseOwner } from './reverse-name.ts'
import { isReverseZone } from './reverse-zone.ts'
import { TimeSlice } from './time-slice.ts'
import { longestZone, WrittenZone } from './zone-writing.ts'

/** Version of the specification whose names are served. */
const SCHEMA_VERSION = '1.1.0'
const SCHEMA_TTL_SECONDS = 28800
const NS_DNS = '\x02ns\x03dns'

export interface ClusterZonesOptions {
  /** Absolute, lower-case. */
  readonly zones: readonly string[]
  /** Those of them that have imported services. */
  readonly multicluster: readonly string[]
  /** The zone that names of addresses end in. */
  readonly primaryZone: string
  readonly ttlSeconds: number
  readonly rules: NamingRules
  readonly pods: 'disabled' | 'insecure' | 'verified'
  /** Addresses that this server is asked at. */
  readonly localAddresses: readonly string[]
}

export class ClusterZones implements ClusterView {
  readonly #options: ClusterZonesOptions
  readonly #forward: readonly WrittenZone[]
  readonly #multicluster: readonly WrittenZone[]
  readonly #all: readonly WrittenZone[]
  readonly #index = new AddressIndex()
  /** Of the apex: name servers and their addresses as they were published. */
  #servers = new RelativeRecords()

  constructor(options: ClusterZonesOptions, publisher: ZonePublisher) {
    const { zones, multicluster, primaryZone, ttlSeconds } = options
    this.#options = options
    const written = (apex: string): WrittenZone =>
      new WrittenZone(publisher.zone(apex, 'zone', true), {
        primaryZone,
        serverZone: isReverseZone(apex) ? primaryZone : apex,
        server: NS_DNS,
        mailbox: '\x0ahostmaster',
        ttlSeconds,
      })
    const isImport = (zone: string): boolean => multicluster.some((each) => isAtOrBelow(zone, each))
    const byApex = new Map(zones.map((apex) => [apex, written(apex)]))
    const forward = [...byApex].filter(([apex]) => !isReverseZone(apex))
    this.#all = [...byApex.values()]
    this.#forward = forward.filter(([apex]) => !isImport(apex)).map(([, zone]) => zone)
    this.#multicluster = forward.filter(([apex]) => isImport(apex)).map(([, zone]) => zone)
  }

  async replaceAll(snapshot: Snapshot, edition: Edition): Promise<void> {
    const slice = new TimeSlice()
    const { rules } = this.#options
    for (const zone of this.#all) zone.replace()
    try {
      this.#index.clear()
      /** Addresses that more than one service has: their names are put together in the end. */
      const shared = new Set<string>()
      for (const { state, inputs } of snapshot.services()) {
        const open = openService(inputs, rules)
        for (const rrset of serviceRecords(open, rules)) {
          // Waiting for nothing costs a turn of the microtasks' queue, a quarter of a million times.
          const wait = this.#putAll(this.#zonesFor(inputs), rrset.owner, rrset.type, rrset.rdatas)
          if (wait !== undefined) await wait
        }
        const pointers = servicePointers(open, rules)
        for (const address of addressesOf(pointers)) {
          if (!this.#index.add(address, state)) {
            shared.add(address)
            continue
          }
          const wait = this.#putPointer(address, namesOf(address, [pointers]))
          if (wait !== undefined) await wait
        }
        const pause = slice.pause()
        if (pause !== undefined) await pause
      }
      const known = new Map<ServiceState, Pointers>()
      for (const address of shared) await this.#putPointer(address, this.#namesAt(address, known))
      for (const rrset of this.#fixedRecords()) await this.#putNames(rrset.owner, rrset.type, rrset.rdatas)
      for (const namespace of snapshot.namespaces()) await this.#putNamespace(namespace, true)
      for (const pod of snapshot.pods()) await this.#putPod(pod, true)
      this.#servers = new RelativeRecords()
      await this.#putServers()
      await this.#commit(edition)
    } catch (error) {
      this.#abort()
      throw error
    }
  }

  async apply({ services, namespaces, pods }: ModelChanges, edition: Edition): Promise<void> {
    try {
      const slice = new TimeSlice()
      const { rules } = this.#options
      const addresses = new Set<string>()
      for (const { state, before, after } of services) {
        const old = openService(before, rules)
        const now = openService(after, rules)
        this.#follow(state, servicePointers(old, rules), servicePointers(now, rules), addresses)
        for (const { owner, type, rdatas } of serviceRecords(now, rules).changesSince(serviceRecords(old, rules))) {
          await this.#putAll(this.#zonesFor(after), owner, type, rdatas)
        }
        await slice.pause()
      }
      const known = new Map<ServiceState, Pointers>()
      for (const address of addresses) {
        await this.#putPointer(address, this.#namesAt(address, known))
        await slice.pause()
      }
      for (const [namespace, isThere] of namespaces) await this.#putNamespace(namespace, isThere)
      for (const [pod, isThere] of pods) await this.#putPod(pod, isThere)
      await this.#putServers()
      await this.#commit(edition)
    } catch (error) {
      this.#abort()
      throw error
    }
  }

  #zonesFor({ imported }: ServiceInputs): readonly WrittenZone[] {
    return imported ? this.#multicluster : this.#forward
  }

  /** Keeps the index, and notes the addresses whose names may have changed. */
  #follow(state: ServiceState, before: Pointers, after: Pointers, addresses: Set<string>): void {
    const old = addressesOf(before)
    const now = addressesOf(after)
    for (const address of now) {
      this.#index.add(address, state)
      addresses.add(address)
    }
    for (const address of old) {
      if (!now.has(address)) this.#index.remove(address, state)
      addresses.add(address)
    }
  }

  #namesAt(address: string, known: Map<ServiceState, Pointers>): readonly string[] {
    const { rules } = this.#options
    const pointers = this.#index.at(address).map((state) => {
      const found = known.get(state) ?? servicePointers(openService(inputsOf(state), rules), rules)
      known.set(state, found)
      return found
    })
    return namesOf(address, pointers)
  }

  #putPointer(address: string, names: readonly string[]): Promise<void> | undefined {
    const found = longestZone(reverseOwner(address), this.#all)
    return found?.zone.put(found.owner, TYPE_PTR, names)
  }

  /** What is there in any case. */
  #fixedRecords(): RelativeRecords {
    const records = new RelativeRecords()
    keepName(records, relativeName('svc')!)
    keepName(records, relativeName('pod')!)
    records.add(relativeName('dns-version')!, TYPE_TXT, String.fromCharCode(SCHEMA_VERSION.length) + SCHEMA_VERSION)
    return records
  }

  async #putNamespace(namespace: string, isThere: boolean): Promise<void> {
    for (const kind of this.#options.pods === 'disabled' ? ['svc'] : ['svc', 'pod']) {
      const name = relativeName(namespace, kind)
      if (name === undefined) continue
      const records = new RelativeRecords()
      keepName(records, name)
      for (const { owner, type, rdatas } of records) await this.#putNames(owner, type, isThere ? rdatas : [])
    }
  }

  async #putPod(pod: PodAddress, isThere: boolean): Promise<void> {
    if (this.#options.pods !== 'verified') return
    const space = pod.indexOf(' ')
    const address = pod.slice(space + 1)
    const packed = packAddress(address)
    const owner = relativeName(podLabel(address), pod.slice(0, space), 'pod')
    if (packed === undefined || owner === undefined) return
    await this.#putNames(owner, packed.length === 4 ? TYPE_A : TYPE_AAAA, isThere ? [packed] : [])
  }

  /** NS of the apexes, and the addresses of `ns.dns`: the services that this server is an endpoint of, else its own addresses. */
  async #putServers(): Promise<void> {
    const servers = this.#findServers()
    for (const { owner, type, rdatas } of servers.changesSince(this.#servers)) {
      if (type === TYPE_NS) await this.#putAll(this.#all, owner, type, rdatas)
      else await this.#putNames(owner, type, rdatas)
    }
    this.#servers = servers
  }

  #findServers(): RelativeRecords {
    const records = new RelativeRecords()
    const { localAddresses, rules } = this.#options
    for (const address of localAddresses) {
      const packed = packAddress(address)
      if (packed === undefined) continue
      for (const state of this.#index.at(packed)) addServers(records, inputsOf(state), rules)
    }
    if (!records.has('', TYPE_NS)) {
      records.add('', TYPE_NS, NS_DNS)
      for (const address of localAddresses) records.addAddress(NS_DNS, address)
    }
    return records
  }

  #putNames(owner: string, type: number, rdatas: readonly string[]): Promise<void> | undefined {
    const ttl = type === TYPE_TXT && owner === DNS_VERSION ? SCHEMA_TTL_SECONDS : this.#options.ttlSeconds
    const waits = [...this.#forward, ...this.#multicluster].map((zone) => zone.put(owner, type, rdatas, ttl))
    return waits.find((wait) => wait !== undefined)
  }

  #putAll(
    zones: readonly WrittenZone[],
    owner: string,
    type: number,
    rdatas: readonly string[],
  ): Promise<void> | undefined {
    let wait: Promise<void> | undefined
    for (const zone of zones) wait = zone.put(owner, type, rdatas) ?? wait
    return wait
  }

  async #commit(edition: Edition): Promise<void> {
    await Promise.all(this.#all.map((zone) => zone.commit(edition)))
  }

  #abort(): void {
    for (const zone of this.#all) zone.abort()
  }
}

const DNS_VERSION = relativeName('dns-version')!

/** Names of an address; of several services with it as cluster IP the first by name counts. */
function namesOf(address: string, all: readonly Pointers[]): readonly string[] {
  const [only] = all
  if (only !== undefined && all.length === 1) {
    const cluster = only.cluster.get(address)
    return cluster === undefined ? (only.endpoints.get(address) ?? []) : [cluster]
  }
  const clusters: string[] = []
  const endpoints = new Set<string>()
  for (const pointers of all) {
    const cluster = pointers.cluster.get(address)
    if (cluster !== undefined) clusters.push(cluster)
    for (const name of pointers.endpoints.get(address) ?? []) endpoints.add(name)
  }
  return clusters.length > 0 ? [clusters.sort()[0]!] : [...endpoints].sort()
}

function addressesOf({ cluster, endpoints }: Pointers): Set<string> {
  return new Set([...cluster.keys(), ...endpoints.keys()])
}

function addServers(records: RelativeRecords, inputs: ServiceInputs, rules: NamingRules): void {
  const open = openService(inputs, rules)
  if (open === undefined) return
  if (open.service.kind === 'cluster') {
    if (open.service.clusterIPs.length > 0) records.add('', TYPE_NS, open.base)
    for (const ip of open.service.clusterIPs) records.addAddress(NS_DNS, ip)
    return
  }
  for (const { endpoints } of open.slices) {
    for (const { name, octets } of endpoints) {
      if (name === undefined || octets === undefined) continue
      records.add('', TYPE_NS, name)
      records.addOctets(NS_DNS, octets)
    }
  }
}
