/** Host names among the TOs to addresses, once, at start and reload. */
import { Resolver, lookup as systemLookup } from 'node:dns/promises'
import { CorefileError } from '../../corefile/corefile-error.ts'
import type { AddressTarget, ForwardOptions, HostTarget, Stanza, Target } from './options.ts'
import { addressAndPort } from './upstream/upstream-address.ts'

const RESOLVE_TIMEOUT_MS = 2000

/** Every target an address, none twice in a stanza (the first one counts). Rejects with a CorefileError that names the host. */
export async function resolveHosts({ stanzas }: ForwardOptions): Promise<ForwardOptions> {
  return { stanzas: await Promise.all(stanzas.map(resolveStanza)) }
}

async function resolveStanza(stanza: Stanza): Promise<Stanza> {
  const expanded = await Promise.all(stanza.targets.map((target) => expand(target, stanza)))
  const seen = new Set<string>()
  const targets: Target[] = []
  for (const target of expanded.flat()) {
    const key = addressAndPort(target.address)
    if (seen.has(key)) continue
    seen.add(key)
    targets.push(target)
  }
  return { ...stanza, targets }
}

async function expand(target: Target, stanza: Stanza): Promise<AddressTarget[]> {
  if (target.kind === 'address') return [target]
  const { at, hostName, port, protocol, serverName } = target
  let hosts: string[]
  try {
    hosts = await addressesOf(target, stanza)
    if (hosts.length === 0) throw new Error(`no addresses found for "${hostName}"`)
  } catch (error) {
    throw new CorefileError(at, `failed to resolve "${hostName}": ${(error as Error).message}`)
  }
  return hosts.map((host) => ({
    kind: 'address',
    at,
    text: hostName,
    address: { protocol, host, port, ...(serverName === undefined ? {} : { serverName }) },
  }))
}

async function addressesOf({ hostName }: HostTarget, { resolvers }: Stanza): Promise<string[]> {
  if (resolvers.length === 0) {
    const found = await systemLookup(hostName, { all: true, order: 'verbatim' })
    return found.map(({ address }) => address)
  }
  let failure: unknown
  for (const address of resolvers) {
    const resolver = new Resolver({ timeout: RESOLVE_TIMEOUT_MS, tries: 1 })
    resolver.setServers([addressAndPort(address)])
    const [v4, v6] = await Promise.allSettled([resolver.resolve4(hostName), resolver.resolve6(hostName)])
    const hosts = [v4, v6].flatMap((result) => (result.status === 'fulfilled' ? result.value : []))
    if (hosts.length > 0) return hosts
    if (v4.status === 'rejected') failure = v4.reason
  }
  throw failure ?? new Error(`no addresses found for "${hostName}"`)
}
