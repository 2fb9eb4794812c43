import { isAtOrBelow } from '../../../wire/name.ts'

/** Whether a zone is one of names of addresses. `zone`: absolute, lower-case. */
export function isReverseZone(zone: string): boolean {
  return isAtOrBelow(zone, 'in-addr.arpa.') || isAtOrBelow(zone, 'ip6.arpa.')
}
