/**
 * The names of one service by the DNS-based service discovery specification 1.1 (kubernetes/dns, docs/specification.md). B
 * stands for `SERVICE.NAMESPACE.svc`.
 *
 *   cluster IP   B                  A AAAA   the cluster IPs                    (2.3.1)
 *                _PORT._PROTO.B     SRV      B                                  (2.3.2)
 *                IP of the cluster  PTR      B                                  (2.3.3)
 *   headless     B                  A AAAA   all ready endpoints                (2.4.1)
 *                _PORT._PROTO.B     SRV      HOST.B of each of them             (2.4.2)
 *                IP of an endpoint  PTR      HOST.B                             (2.4.3)
 *   external     B                  CNAME    what the service names             (2.5.1)
 *   any          HOST.B             A AAAA   the endpoint's addresses
 *                B                  SRV      all ports (CoreDNS's)
 *
 * HOST is the endpoint's host name, the pod's name where the plugin is told so, or the address with dashes.
 */
import { textToName } from '../../../wire/name.ts'
import { LABEL_SIZE_MAX } from '../../../wire/parsed-query.ts'
import { type Endpoint, type Port, readService, readSlice, type Service, type Slice } from './objects.ts'
import { podLabel } from './pod-label.ts'
import {
  latin1,
  packAddress,
  RelativeRecords,
  relativeName,
  srvRdata,
  TYPE_CNAME,
  TYPE_SRV,
} from './relative-records.ts'

/** What is known of a service at one moment: trimmed texts, which never change. */
export interface ServiceInputs {
  readonly namespace: string
  readonly name: string
  /** '' while there is only a slice. */
  readonly service: string
  readonly slices: readonly string[]
  /** A ServiceImport with the slices of all clusters. */
  readonly imported: boolean
}

export interface NamingRules {
  /** Endpoints without a host name have their pod's. */
  readonly endpointPodNames: boolean
  /** A service without ready endpoints isn't there, unless it is headless or external. */
  readonly ignoreEmpty: boolean
  /** `ZONE.pin._zone.B` and `ZONE.prefer._zone.B` for headless services. */
  readonly zonal: boolean
}

/** A service as objects. */
export interface OpenService {
  readonly base: string
  /** A ServiceImport: its endpoints' names have their cluster in them, `HOST.CLUSTER.B`. */
  readonly imported: boolean
  readonly service: Service
  readonly slices: readonly OpenSlice[]
}

export interface OpenSlice {
  readonly ports: readonly Port[]
  readonly endpoints: readonly OpenEndpoint[]
}

export interface OpenEndpoint {
  /** As the API has it. */
  readonly address: string
  /** Its octets as latin1; undefined for a host name. */
  readonly octets: string | undefined
  /** `HOST.B`; undefined where nothing makes one. */
  readonly name: string | undefined
  readonly zone: string
}

/** Undefined when the service isn't there, or its name is no name. */
export function openService(
  { namespace, name, service, slices, imported }: ServiceInputs,
  rules: NamingRules,
): OpenService | undefined {
  if (service === '') return undefined
  const base = relativeName(name, namespace, 'svc')
  if (base === undefined) return undefined
  const openSlices = slices.map((text) => openSlice(readSlice(text), base, imported, rules))
  return { base, imported, service: readService(service), slices: openSlices }
}

function openSlice(slice: Slice, base: string, imported: boolean, { endpointPodNames }: NamingRules): OpenSlice {
  // An imported endpoint without a cluster has no name: in another cluster there may be one of the same host name.
  const cluster = imported ? relativeName(slice.cluster) : ''
  const endpoints = slice.endpoints.map((endpoint) => {
    const { address, zone } = endpoint
    const octets = packAddress(address)
    const host = cluster === undefined ? undefined : endpointHost(endpoint, octets !== undefined, endpointPodNames)
    return { address, octets, name: host === undefined ? undefined : host + cluster + base, zone }
  })
  return { ports: slice.ports, endpoints }
}

/** All records below the zone. */
export function serviceRecords(open: OpenService | undefined, rules: NamingRules): RelativeRecords {
  const records = new RelativeRecords()
  if (open === undefined) return records
  const { base, service } = open
  if (service.kind === 'external') addExternalName(records, base, service.externalName)
  else if (service.kind === 'headless') {
    addEndpoints(records, open, true)
    addHeadless(records, open, base)
    if (rules.zonal && !open.imported) addZonal(records, open)
  } else if (!rules.ignoreEmpty || hasEndpoints(open)) {
    addClusterIPs(records, open)
    addEndpoints(records, open, false)
  }
  return records
}

export function hasEndpoints({ slices }: OpenService): boolean {
  return slices.some(({ endpoints }) => endpoints.length > 0)
}

/** Weight of each of so many records: they are all the same, and it has to be above 0. */
export function evenWeight(count: number): number {
  return Math.max(1, Math.floor(100 / count))
}

function addExternalName(records: RelativeRecords, base: string, target: string): void {
  // An address is no name to go on with.
  if (target === '' || packAddress(target) !== undefined) return
  try {
    records.add(base, TYPE_CNAME, latin1(textToName(target.toLowerCase())))
  } catch {
    // What is no name can't be answered with.
  }
}

function addClusterIPs(records: RelativeRecords, { base, service }: OpenService): void {
  const { clusterIPs, ports } = service
  for (const ip of clusterIPs) records.addAddress(base, ip)
  if (clusterIPs.length === 0) return
  const ofAll = evenWeight(ports.length * clusterIPs.length)
  const ofOne = evenWeight(clusterIPs.length)
  for (const port of ports) {
    records.add(base, TYPE_SRV, srvRdata(ofAll, port.port, base))
    const owner = portOwner(port, base)
    if (owner !== undefined) records.add(owner, TYPE_SRV, srvRdata(ofOne, port.port, base))
  }
}

/** `_PORT._PROTO.B`; undefined for a port without a name. */
export function portOwner({ name, protocol }: Port, base: string): string | undefined {
  if (name === '') return undefined
  const labels = relativeName(`_${name}`, `_${protocol}`)
  return labels === undefined ? undefined : labels + base
}

function addEndpoints(records: RelativeRecords, { slices }: OpenService, withPorts: boolean): void {
  for (const { endpoints, ports } of slices) {
    const weight = evenWeight(ports.length)
    for (const { octets, name } of endpoints) {
      if (name === undefined) continue
      if (octets !== undefined) records.addOctets(name, octets)
      if (withPorts) for (const { port } of ports) records.add(name, TYPE_SRV, srvRdata(weight, port, name))
    }
  }
}

/** The endpoints' addresses and ports at one name: the service's own, or that of its part in a zone. */
function addHeadless(records: RelativeRecords, { slices }: OpenService, owner: string): void {
  const perPort = new Map<string, { readonly port: number; readonly target: string }[]>()
  const all: { readonly port: number; readonly target: string }[] = []
  let hostName: string | undefined
  let hasAddress = false
  for (const { endpoints, ports } of slices) {
    for (const { address, octets, name } of endpoints) {
      if (octets === undefined) hostName ??= address
      else {
        records.addOctets(owner, octets)
        hasAddress = true
      }
      if (name === undefined) continue
      for (const port of ports) {
        const row = { port: port.port, target: name }
        all.push(row)
        const portName = portOwner(port, owner)
        if (portName === undefined) continue
        const rows = perPort.get(portName)
        if (rows === undefined) perPort.set(portName, [row])
        else rows.push(row)
      }
    }
  }
  addSRV(records, owner, all)
  for (const [name, rows] of perPort) addSRV(records, name, rows)
  // Slices of type FQDN: one name, for a CNAME can't be two, and stands alone.
  if (hostName !== undefined && !hasAddress && all.length === 0) addExternalName(records, owner, hostName)
}

function addSRV(
  records: RelativeRecords,
  owner: string,
  rows: readonly { readonly port: number; readonly target: string }[],
): void {
  const weight = evenWeight(rows.length)
  for (const { port, target } of rows) records.add(owner, TYPE_SRV, srvRdata(weight, port, target))
}

/**
 * `TOPOLOGY.pin._zone.B`: the endpoints of that zone, NODATA where it has none; `TOPOLOGY.prefer._zone.B`: all of them then. Zones may have dots,
 * so every name below is one: wildcards stand for zones without endpoints, also below the parts of a zone's name.
 */
function addZonal(records: RelativeRecords, open: OpenService): void {
  const zones = new Set<string>()
  for (const { endpoints } of open.slices) for (const { zone } of endpoints) if (zone !== '') zones.add(zone)
  const directives = [
    { directive: 'pin', elsewhere: { ...open, slices: [] } },
    { directive: 'prefer', elsewhere: open },
  ]
  for (const { directive, elsewhere } of directives) {
    const top = relativeName(directive, '_zone')! + open.base
    const wildcardsAt = new Set([top])
    const zoneNames = new Set<string>()
    for (const zone of zones) {
      const labels = zone.split('.')
      const owner = relativeName(...labels)
      if (owner === undefined) continue
      const slices = open.slices.map((slice) => ({
        ...slice,
        endpoints: slice.endpoints.filter((endpoint) => endpoint.zone === zone),
      }))
      addHeadless(records, { ...open, slices }, owner + top)
      zoneNames.add(owner + top)
      for (let i = 0; i < labels.length; i++) wildcardsAt.add(relativeName(...labels.slice(i))! + top)
    }
    for (const name of wildcardsAt) {
      addHeadless(records, elsewhere, `\x01*${name}`)
      keepName(records, `\x01*${name}`)
      // A part of a zone's name that is no zone itself: no wildcard stands for what is there.
      if (name !== top && !zoneNames.has(name)) addHeadless(records, elsewhere, name)
    }
  }
}

/**
 * Makes a name be there without an address: one record below it, of a name that nobody asks for, makes it an empty
 * non-terminal, so that it is NODATA and not NXDOMAIN.
 */
export function keepName(records: RelativeRecords, owner: string): void {
  records.add(KEEPER + owner, 16, '\0')
}

const KEEPER = '\x07_exists'

/** The label of an endpoint; undefined where nothing makes one. */
export function endpointHost(
  { address, hostname, target }: Endpoint,
  isAddress: boolean,
  podNames: boolean,
): string | undefined {
  if (isLabel(hostname)) return relativeName(hostname)
  if (podNames && isLabel(target)) return relativeName(target)
  if (!isAddress) return undefined
  const label = dashedAddress(address)
  return String.fromCharCode(label.length) + label
}

/** `10-1-2-3`, `2001-db8--1`; a last dash gets a 0. */
export function dashedAddress(address: string): string {
  if (!address.includes(':')) return address.replaceAll('.', '-')
  const dashed = podLabel(address)
  return dashed.endsWith('-') ? `${dashed}0` : dashed
}

function isLabel(text: string): boolean {
  return text !== '' && text.length <= LABEL_SIZE_MAX && !text.includes('.')
}

/** Where each address of a service points back to, first those of the cluster, which go before endpoints of other services. */
export interface Pointers {
  /** Name for the cluster's own addresses. */
  readonly cluster: ReadonlyMap<string, string>
  /** Names of endpoints, by address. */
  readonly endpoints: ReadonlyMap<string, readonly string[]>
}

/** By address as octets (latin1); names are relative to the primary zone. */
export function servicePointers(open: OpenService | undefined, rules: NamingRules): Pointers {
  const cluster = new Map<string, string>()
  const endpoints = new Map<string, string[]>()
  if (open === undefined || open.imported || open.service.kind === 'external') return { cluster, endpoints }
  const { base, service, slices } = open
  if (service.kind === 'cluster') {
    if (rules.ignoreEmpty && !hasEndpoints(open)) return { cluster, endpoints }
    for (const ip of service.clusterIPs) {
      const address = packAddress(ip)
      if (address !== undefined) cluster.set(address, base)
    }
  }
  for (const slice of slices) {
    for (const { octets, name } of slice.endpoints) {
      if (octets === undefined || name === undefined) continue
      const names = endpoints.get(octets)
      if (names === undefined) endpoints.set(octets, [name])
      else if (!names.includes(name)) names.push(name)
    }
  }
  return { cluster, endpoints }
}
