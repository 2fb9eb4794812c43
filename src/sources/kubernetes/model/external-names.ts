/**
 * The names that `k8s_external` has for one service. B stands for `SERVICE.NAMESPACE`.
 *
 *   addresses from outside   B                A AAAA, or CNAME where there is only a host name
 *                            B                SRV      all ports
 *                            _PORT._PROTO.B   SRV
 *   headless, if asked for   B                A AAAA   all ready endpoints
 *                            HOST.B           A AAAA
 *                            B, _PORT._PROTO.B  SRV    HOST.B of each of them
 */
import { textToName } from '../../../wire/name.ts'
import { type Port, readService, readSlice, type Slice } from './objects.ts'
import {
  latin1,
  packAddress,
  RelativeRecords,
  relativeName,
  srvRdata,
  TYPE_CNAME,
  TYPE_SRV,
} from './relative-records.ts'
import { endpointHost, evenWeight, portOwner, type ServiceInputs } from './service-names.ts'

export interface ExternalRules {
  /** Headless services without external addresses have names too. */
  readonly headless: boolean
  readonly endpointPodNames: boolean
}

/** All records below the zone. */
export function externalRecords(inputs: ServiceInputs, rules: ExternalRules): RelativeRecords {
  const records = new RelativeRecords()
  if (inputs.service === '' || inputs.imported) return records
  const base = relativeName(inputs.name, inputs.namespace)
  if (base === undefined) return records
  const { externalIPs, ports, kind } = readService(inputs.service)
  if (externalIPs.length > 0) addExternal(records, base, externalIPs, ports)
  else if (rules.headless && kind === 'headless') addHeadless(records, base, inputs.slices.map(readSlice), rules)
  return records
}

/** Addresses (octets, latin1) that point back to the service. */
export function externalAddresses({ service, imported }: ServiceInputs): ReadonlySet<string> {
  if (service === '' || imported) return new Set()
  const packed = readService(service).externalIPs.map(packAddress)
  return new Set(packed.filter((each) => each !== undefined))
}

function addExternal(
  records: RelativeRecords,
  base: string,
  externalIPs: readonly string[],
  ports: readonly Port[],
): void {
  const targets: string[] = []
  let hostName: string | undefined
  for (const each of externalIPs) {
    if (packAddress(each) !== undefined) {
      records.addAddress(base, each)
      targets.push(base)
      continue
    }
    const name = wholeName(each)
    if (name === undefined) continue
    hostName ??= name
    targets.push(name)
  }
  const hasAddresses = targets.includes(base)
  // A CNAME stands alone; and where there is one, the clients of its target look for its SRV.
  if (!hasAddresses && hostName !== undefined) records.add(base, TYPE_CNAME, hostName)
  const ofAll = evenWeight(targets.length * ports.length)
  const ofOne = evenWeight(targets.length)
  for (const port of ports) {
    const owner = portOwner(port, base)
    for (const target of targets) {
      if (hasAddresses) records.add(base, TYPE_SRV, srvRdata(ofAll, port.port, target))
      if (owner !== undefined) records.add(owner, TYPE_SRV, srvRdata(ofOne, port.port, target))
    }
  }
}

function addHeadless(records: RelativeRecords, base: string, slices: readonly Slice[], rules: ExternalRules): void {
  const rows: { readonly port: Port; readonly target: string }[] = []
  for (const { endpoints, ports } of slices) {
    for (const endpoint of endpoints) {
      const octets = packAddress(endpoint.address)
      const host = endpointHost(endpoint, octets !== undefined, rules.endpointPodNames)
      if (octets !== undefined) records.addOctets(base, octets)
      if (host === undefined) continue
      if (octets !== undefined) records.addOctets(host + base, octets)
      for (const port of ports) rows.push({ port, target: host + base })
    }
  }
  const ofAll = evenWeight(rows.length)
  for (const { port, target } of rows) records.add(base, TYPE_SRV, srvRdata(ofAll, port.port, target))
  for (const [owner, ofPort] of Map.groupBy(rows, ({ port }) => portOwner(port, base))) {
    if (owner === undefined) continue
    const weight = evenWeight(ofPort.length)
    for (const { port, target } of ofPort) records.add(owner, TYPE_SRV, srvRdata(weight, port.port, target))
  }
}

/** A host name in wire form, latin1. */
function wholeName(text: string): string | undefined {
  try {
    return latin1(textToName(text.toLowerCase()))
  } catch {
    return undefined
  }
}
