/** Outcomes of `ZoneStore.answer`. The writer then holds the sections and the flags; the RCODE is in `writer.rcode`. */
export const ANSWERED = 1
export const NODATA = 2
export const NXDOMAIN_OUTCOME = 3
export const DELEGATION = 4
/** The answer ends in a CNAME whose target is outside the zone: `store.target` holds it; the chain goes on with it. */
export const CNAME_LEAVES = 5
/** The zone has no data (yet, or any more): SERVFAIL. */
export const UNAVAILABLE = 6
/** `flat` zones only: the name is not there at all. */
export const ABSENT = 7
