/** Which names `local` answers, on wire bytes. Nothing here allocates or throws. */
import { ZoneSet } from '../../chain/zone-set.ts'
import { textToName } from '../../wire/name.ts'
import type { ParsedQuery } from '../../wire/parsed-query.ts'

/** RFC 6303 section 4.2 names more; these are what CoreDNS answers. */
export const LOCAL_ZONES: readonly string[] = [
  'localhost.',
  '0.in-addr.arpa.',
  '127.in-addr.arpa.',
  '255.in-addr.arpa.',
]

/** Indices of LOCAL_ZONES. */
export const localZones: ZoneSet = new ZoneSet(LOCAL_ZONES)

const LOCALHOST = textToName('localhost.')
const LOCALHOST_LABEL_SIZE = LOCALHOST.length - 1

/** Below `localhost.`, or (with `prefix`) starting with the label `localhost`; not `localhost.` itself. */
export function isLocalhostName(query: ParsedQuery, prefix: boolean): boolean {
  const { labels, labelCount } = query
  if (labelCount < 2) return false
  if (holdsLocalhost(query, labels[labelCount - 1]!)) return true
  return prefix && holdsLocalhost(query, 0)
}

export function isLocalName(query: ParsedQuery, prefix: boolean): boolean {
  return isLocalhostName(query, prefix) || localZones.holds(query)
}

function holdsLocalhost({ name }: ParsedQuery, at: number): boolean {
  for (let i = 0; i < LOCALHOST_LABEL_SIZE; i++) if (name[at + i] !== LOCALHOST[i]) return false
  return true
}
