/** The `fallthrough [ZONES…]` option: for which names a plugin that has no answer passes the query on. */
import { zonesOfArguments } from './zone-argument.ts'

/** Zones of the option: all names (`.`) without arguments. Absolute, lower-case; match them with `ZoneSet`. */
export function fallthroughZones(args: readonly { readonly text: string }[]): string[] {
  return args.length === 0 ? ['.'] : zonesOfArguments(args)
}
