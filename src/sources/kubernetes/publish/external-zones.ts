/** The zones of the `k8s_external` plugin in the record store, kept equal to the cluster's external addresses. */
import type { ZonePublisher } from '../../../zone/zone-change.ts'
import { inputsOf, type ModelChanges, type ServiceState, type Snapshot } from '../model/cluster-model.ts'
import { externalAddresses, externalRecords } from '../model/external-names.ts'
import { readService, readSlice } from '../model/objects.ts'
import {
  packAddress,
  RelativeRecords,
  relativeName,
  TYPE_A,
  TYPE_AAAA,
  TYPE_NS,
  TYPE_PTR,
} from '../model/relative-records.ts'
import { keepName, type ServiceInputs } from '../model/service-names.ts'
import { AddressIndex } from './address-index.ts'
import type { ClusterView, Edition } from './cluster-view.ts'
import { reverseOwner } from './reverse-name.ts'
import { isReverseZone } from './reverse-zone.ts'
import { TimeSlice } from './time-slice.ts'
import { longestZone, WrittenZone } from './zone-writing.ts'

export interface ExternalZonesOptions {
  /** Absolute, lower-case. Names of addresses point into the first. */
  readonly zones: readonly string[]
  /** Label (or labels) above which the name server's name is. */
  readonly apex: string
  readonly ttlSeconds: number
  /** Of CNAME and SRV: the `kubernetes` plugin's. */
  readonly clusterTtlSeconds: number
  readonly headless: boolean
  readonly endpointPodNames: boolean
  /** Addresses that this server is asked at. */
  readonly localAddresses: readonly string[]
}

export class ExternalZones implements ClusterView {
  readonly #options: ExternalZonesOptions
  readonly #forward: readonly WrittenZone[]
  readonly #all: readonly WrittenZone[]
  readonly #index = new AddressIndex()
  readonly #local: ReadonlySet<string>
  /** Services that this server is an endpoint of. */
  readonly #own = new Set<ServiceState>()
  readonly #server: string
  #servers = new RelativeRecords()

  constructor(options: ExternalZonesOptions, publisher: ZonePublisher) {
    this.#options = options
    const apex = relativeName(...options.apex.split('.')) ?? '\x03dns'
    this.#server = `\x03ns1${apex}`
    const primaryZone = options.zones[0]!
    const zones = options.zones.map(
      (zone) =>
        new WrittenZone(publisher.zone(zone, 'zone', true), {
          primaryZone,
          serverZone: zone,
          server: this.#server,
          mailbox: `\x0ahostmaster${apex}`,
          ttlSeconds: options.ttlSeconds,
        }),
    )
    this.#all = zones
    this.#forward = zones.filter((_, i) => !isReverseZone(options.zones[i]!))
    this.#local = new Set(options.localAddresses.map(packAddress).filter((each) => each !== undefined))
  }

  async replaceAll(snapshot: Snapshot, edition: Edition): Promise<void> {
    const slice = new TimeSlice()
    for (const zone of this.#all) zone.replace()
    try {
      this.#index.clear()
      this.#own.clear()
      this.#servers = new RelativeRecords()
      const addresses = new Set<string>()
      for (const { state, inputs } of snapshot.services()) {
        for (const { owner, type, rdatas } of externalRecords(inputs, this.#options)) {
          await this.#put(owner, type, rdatas)
        }
        this.#follow(state, NO_ADDRESSES, externalAddresses(inputs), addresses)
        this.#noteOwn(state, inputs)
        await slice.pause()
      }
      for (const address of addresses) this.#putPointer(address)
      for (const namespace of snapshot.namespaces()) this.#putNamespace(namespace, true)
      this.#putServers()
      await this.#commit(edition)
    } catch (error) {
      this.#abort()
      throw error
    }
  }

  async apply({ services, namespaces }: ModelChanges, edition: Edition): Promise<void> {
    try {
      const slice = new TimeSlice()
      const addresses = new Set<string>()
      for (const { state, before, after } of services) {
        const old = externalRecords(before, this.#options)
        for (const { owner, type, rdatas } of externalRecords(after, this.#options).changesSince(old)) {
          await this.#put(owner, type, rdatas)
        }
        this.#follow(state, externalAddresses(before), externalAddresses(after), addresses)
        this.#noteOwn(state, after)
        await slice.pause()
      }
      for (const address of addresses) this.#putPointer(address)
      for (const [namespace, isThere] of namespaces) this.#putNamespace(namespace, isThere)
      this.#putServers()
      await this.#commit(edition)
    } catch (error) {
      this.#abort()
      throw error
    }
  }

  #put(owner: string, type: number, rdatas: readonly string[]): Promise<void> | undefined {
    const { ttlSeconds, clusterTtlSeconds } = this.#options
    const ttl = type === TYPE_A || type === TYPE_AAAA ? ttlSeconds : clusterTtlSeconds
    let wait: Promise<void> | undefined
    for (const zone of this.#forward) wait = zone.put(owner, type, rdatas, ttl) ?? wait
    return wait
  }

  #follow(state: ServiceState, before: ReadonlySet<string>, after: ReadonlySet<string>, addresses: Set<string>): void {
    for (const address of after) {
      if (before.has(address)) continue
      this.#index.add(address, state)
      addresses.add(address)
    }
    for (const address of before) {
      if (after.has(address)) continue
      this.#index.remove(address, state)
      addresses.add(address)
    }
  }

  #putPointer(address: string): void {
    const found = longestZone(reverseOwner(address), this.#all)
    if (found === undefined) return
    const names = this.#index.at(address).map(({ name, namespace }) => relativeName(name, namespace.name))
    void found.zone.put(found.owner, TYPE_PTR, names.filter((name) => name !== undefined).sort())
  }

  #putNamespace(namespace: string, isThere: boolean): void {
    const name = relativeName(namespace)
    if (name === undefined) return
    const records = new RelativeRecords()
    keepName(records, name)
    for (const { owner, type, rdatas } of records) {
      for (const zone of this.#forward) void zone.put(owner, type, isThere ? rdatas : [])
    }
  }

  #noteOwn(state: ServiceState, { slices, service }: ServiceInputs): void {
    const isOwn =
      service !== '' &&
      slices.some((slice) =>
        readSlice(slice).endpoints.some(({ address }) => this.#local.has(packAddress(address) ?? '')),
      )
    if (isOwn) this.#own.add(state)
    else this.#own.delete(state)
  }

  /** The name server of each zone, with the external addresses of the services that this server is an endpoint of, else its own. */
  #putServers(): void {
    const servers = new RelativeRecords()
    servers.add('', TYPE_NS, this.#server)
    for (const state of this.#own) {
      const { service, slices } = inputsOf(state)
      if (service === '') continue
      const { externalIPs, kind } = readService(service)
      for (const ip of externalIPs) servers.addAddress(this.#server, ip)
      if (!this.#options.headless || kind !== 'headless') continue
      for (const slice of slices) {
        for (const { address } of readSlice(slice).endpoints) servers.addAddress(this.#server, address)
      }
    }
    if (this.#own.size === 0) for (const each of this.#options.localAddresses) servers.addAddress(this.#server, each)
    for (const { owner, type, rdatas } of servers.changesSince(this.#servers)) {
      for (const zone of this.#all) void zone.put(owner, type, rdatas)
    }
    this.#servers = servers
  }

  async #commit(edition: Edition): Promise<void> {
    await Promise.all(this.#all.map((zone) => zone.commit(edition)))
  }

  #abort(): void {
    for (const zone of this.#all) zone.abort()
  }
}

const NO_ADDRESSES: ReadonlySet<string> = new Set()
