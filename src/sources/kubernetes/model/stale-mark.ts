/** The mark of zones that were published from disk: a name that no service has. Answers for them say that they may be out of date. */

/** `_stale`, relative to the zone. */
export const STALE_OWNER = '\x06_stale'
export const STALE_RDATA: readonly string[] = ['\0']
