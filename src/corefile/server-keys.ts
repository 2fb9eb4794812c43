/** Keys of server blocks: `example.org`, `dns://example.org:1053`, `10.0.0.0/24`. What each means, and which exclude each other. */
import { CorefileError, type Position } from './corefile-error.ts'
import type { Token } from './directive.ts'
import { DEFAULT_PORTS, splitTransport } from './host-port.ts'
import type { BlockKey, Transport } from './server-config.ts'
import { splitZoneAndPort, ZoneArgumentError } from './zone-argument.ts'

export const PORT_MAX = 65_535
/** Transports that this version opens listeners for. */
const SERVED: readonly Transport[] = ['dns']

export interface ResolvedKeys {
  readonly keys: readonly BlockKey[]
  readonly errors: readonly CorefileError[]
  readonly warnings: readonly { readonly at: Position; readonly problem: string }[]
}

/** The keys of one block, networks expanded to their reverse zones. `defaultPort` is for plain DNS. */
export function resolveKeys(tokens: readonly Token[], defaultPort: number): ResolvedKeys {
  const keys: BlockKey[] = []
  const errors: CorefileError[] = []
  const warnings: { at: Position; problem: string }[] = []
  for (const token of tokens) {
    try {
      const resolved = resolveKey(token, defaultPort)
      if (/[:/{}]/.test(resolved[0]!.zone) || token.text.includes('://') !== /^[a-z0-9]+:\/\//.test(token.text)) {
        warnings.push({
          at: token.at,
          problem: `'${token.text}' is taken for the name of a zone, ${resolved[0]!.zone}`,
        })
      }
      keys.push(...resolved)
    } catch (error) {
      if (!(error instanceof CorefileError)) throw error
      errors.push(error)
    }
  }
  return { keys, errors, warnings }
}

function resolveKey({ text, at }: Token, defaultPort: number): BlockKey[] {
  const { transport, rest } = splitTransport(text)
  let zones: readonly string[]
  let port: number
  try {
    const split = splitZoneAndPort(rest)
    zones = split.zones
    port = split.port ?? (transport === 'dns' ? defaultPort : DEFAULT_PORTS[transport])
  } catch (error) {
    if (!(error instanceof ZoneArgumentError)) throw error
    throw new CorefileError(at, error.message, rest.startsWith(':') ? `.${rest}` : 'example.org:1053')
  }
  if (port < 0 || port > PORT_MAX) {
    throw new CorefileError(at, `'${text}': invalid port ${port}`, `${zones[0]}:${defaultPort}`)
  }
  if (transport === 'unix') {
    throw new CorefileError(at, `cannot serve ${text} - unix:// is for upstreams only`, `${zones[0]}:${defaultPort}`)
  }
  if (!SERVED.includes(transport)) {
    throw new CorefileError(
      at,
      `cannot serve ${transport}://${zones[0]}:${port} - ${transport}:// listeners are not part of this version of Shoal yet`,
      `dns://${zones[0]}`,
    )
  }
  return zones.map((zone) => ({ transport, zone, port }))
}

/** `dns://example.org.:53`, the text of a key in messages; with an address ` on 192.0.2.1` behind it. */
export function printKey({ transport, zone, port }: BlockKey, address = ''): string {
  return `${transport}://${zone}:${port}${address === '' ? '' : ` on ${address}`}`
}

/**
 * Finds keys that can't be served beside each other: the same zone, port and address twice, or the same zone and port
 * once with and once without an address. Keys of blocks with a filter (`view`) are only tested, so any number of them
 * and one unfiltered block may share a zone.
 */
export class KeyOverlaps {
  readonly #served = new Set<string>()
  /** By key without address: the key with address that was registered for it last. */
  readonly #bound = new Map<string, string>()

  /** The problem with this key, or undefined. `address` is '' where the block has no `bind`. */
  add(key: BlockKey, address: string, hasFilter: boolean): string | undefined {
    const unbound = printKey(key)
    const text = printKey(key, address)
    if (this.#served.has(text)) {
      return hasFilter ? undefined : `cannot serve ${text} - it is already defined`
    }
    const other = this.#bound.get(unbound)
    if (other !== undefined) {
      const overlap = address === '' ? other : this.#served.has(unbound) ? unbound : undefined
      if (overlap !== undefined) return `cannot serve ${text} - zone overlap listener capacity with ${overlap}`
    }
    if (!hasFilter) {
      this.#served.add(text)
      this.#bound.set(unbound, text)
    }
    return undefined
  }
}

/** RFC 1035 section 2.3.1; the root and reverse zones count as well. */
export function isPreferredSyntax(zone: string): boolean {
  if (zone === '.' || /(^|\.)(in-addr|ip6)\.arpa\.$/.test(zone)) return true
  return zone
    .split('.')
    .slice(0, -1)
    .every((label) => /^[A-Za-z]([A-Za-z0-9-]*[A-Za-z0-9])?$/.test(label))
}
