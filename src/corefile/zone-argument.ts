/**
 * Zone names as a Corefile gives them: in server block keys (with a transport and a port) and in arguments of plugins
 * (where a port is allowed and ignored). A network in CIDR form stands for its reverse zones.
 */
import { NameError, normalizeZone } from '../wire/name.ts'
import { parseCidr, reverseZones } from './cidr.ts'

/** Why a text is no zone, in CoreDNS's words. */
export class ZoneArgumentError extends Error {
  readonly code = 'SHOAL_ZONE_ARGUMENT'
  constructor(problem: string) {
    super(problem)
    this.name = 'ZoneArgumentError'
  }
}

export interface ZonesAndPort {
  /** Absolute, lower-case; more than one only for a network off the octet or nibble border. */
  readonly zones: readonly string[]
  /** As written, or undefined. Not checked against the range of ports. */
  readonly port: number | undefined
}

/** Characters of a zone's text. */
const ZONE_TEXT_LENGTH_MAX = 255

/** Splits `example.org:1053` or `10.0.0.0/15`. The port is what follows the last colon, if it is a number. */
export function splitZoneAndPort(text: string): ZonesAndPort {
  const colon = text.lastIndexOf(':')
  if (colon === text.length - 1) throw new ZoneArgumentError(`expecting data after last colon: "${text}"`)
  let port: number | undefined
  let name = text
  if (colon !== -1 && /^[+-]?[0-9]{1,9}$/.test(text.slice(colon + 1))) {
    port = Number(text.slice(colon + 1))
    name = text.slice(0, colon)
  }
  if (name.length > ZONE_TEXT_LENGTH_MAX) {
    throw new ZoneArgumentError(`specified zone is too long: ${name.length} > ${ZONE_TEXT_LENGTH_MAX}`)
  }
  const cidr = parseCidr(name)
  if (cidr !== undefined) {
    // CoreDNS takes such a text for a port number gone wrong (`::/0:53`).
    if (name.startsWith(':') || (name.startsWith('0') && name.includes(':'))) {
      throw new ZoneArgumentError(`invalid CIDR ${name}`)
    }
    return { zones: reverseZones(cidr), port }
  }
  try {
    return { zones: [normalizeZone(name)], port }
  } catch (error) {
    if (!(error instanceof NameError)) throw error
    throw new ZoneArgumentError(`zone is not a valid domain name: ${name} (${error.problem})`)
  }
}

/** Zones of an argument: one, several for a network off a border, none for a text that is no zone. Never throws. */
export function zonesOfArgument(text: string): readonly string[] {
  try {
    return splitZoneAndPort(text).zones
  } catch {
    return []
  }
}

/** Zones of a plugin's arguments, those that are no zone left out: CoreDNS drops them without a word. */
export function zonesOfArguments(args: readonly { readonly text: string }[]): string[] {
  return args.flatMap(({ text }) => zonesOfArgument(text))
}
