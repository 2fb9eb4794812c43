/** Whether a zone is one of names of addresses. `zone`: absolute, lower-case. */
export function isReverseZone(zone: string): boolean {
  return isAtOrBelow(zone, 'in-addr.arpa.') || isAtOrBelow(zone, 'ip6.arpa.')
}

/** Whether a zone is another one or lies below it. Both absolute, lower-case. */
export function isAtOrBelow(zone: string, parent: string): boolean {
  return zone === parent || parent === '.' || zone.endsWith(`.${parent}`)
}
