/** Records that no zone can hold: more than the layout has room for, rdata that isn't what its type says, an owner outside. */
export class ZoneDataError extends Error {
  readonly code = 'SHOAL_ZONE_DATA'
}
