/** How the services of a large cluster are named and addressed: for the API that has them (`big-cluster.ts`), and for who asks. */
import { isIPv4 } from 'node:net'

export interface ClusterSize {
  readonly services: number
  readonly endpoints: number
  readonly pods: number
  /** Five of six services have an IPv6 address too. */
  readonly dualStack?: boolean
}

export const NAMESPACES = 100
/** Every tenth is headless. */
const HEADLESS_EVERY = 10
const IPV4_ONLY_EVERY = 6

export const namespaceOf = (i: number): string => `team-${i % NAMESPACES}`
export const serviceName = (i: number): string => `service-${String(i).padStart(5, '0')}`

/** The cluster addresses of service i; `None` for a headless one. */
export function serviceAddresses(i: number, dualStack = false): string[] {
  if (i % HEADLESS_EVERY === HEADLESS_EVERY - 1) return ['None']
  const ipv4 = `10.${32 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`
  return dualStack && i % IPV4_ONLY_EVERY !== 0 ? [ipv4, `fd00:96::${(i + 1).toString(16)}`] : [ipv4]
}

/** The address in hex, as rdata of an A record. */
export function rdataOf(address: string): string {
  return isIPv4(address) ? Buffer.from(address.split('.').map(Number)).toString('hex') : ''
}
