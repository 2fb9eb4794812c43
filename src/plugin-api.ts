/**
 * All that a plugin's author needs, and all that this package exports: `import { type Plugin, Reply } from 'shoal'`.
 * docs/writing-a-plugin.md shows how a plugin is written; `chain/plugin.ts` is the contract that it fulfils.
 *
 * A module of a plugin is loaded in every process and thread, so what only one part needs is imported in that part.
 * Types of records and questions are dns-packet's.
 */

/** Records and questions as plugins see them: names without the final dot, `data` as dns-packet has it. */
export type { Answer, Question, RecordType } from 'dns-packet'
// Queries and replies. What a query is read with marks the reply, and so decides how it may be cached.
export type { CachedMark, Marks } from './chain/marks.ts'
// The plugin: what it exports, and what its parts are given.
export {
  type CheckContext,
  type Client,
  type DataPart,
  type FrontContext,
  type FrontPart,
  GATE_DROP,
  GATE_PASS,
  type Handler,
  type HandlerContext,
  type Next,
  type Outcome,
  type ParseContext,
  type Plugin,
  type PrimaryContext,
  type PrimaryPart,
  type Problem,
  type ReloadResult,
  type ServerControl,
} from './chain/plugin.ts'
export { type ClientAddress, Query, type QueryChange } from './chain/query.ts'
export {
  FORMERR_RCODE,
  NOERROR,
  NOTIMP_RCODE,
  NXDOMAIN,
  REFUSED,
  Reply,
  type ReplyFields,
  type ReplyOption,
  SERVFAIL,
  type Sections,
  YXDOMAIN,
} from './chain/reply.ts'
/** Which of many zones holds a name: for `handle` and for `front`. */
export { NOT_IN_SET, ZoneSet } from './chain/zone-set.ts'
// Directives: words and blocks of the Corefile, tables of options, errors that say what would work.
export { type Cidr, cidrContains, parseCidr, parseCidrOrAddress } from './corefile/cidr.ts'
export { CorefileError, type Position } from './corefile/corefile-error.ts'
export type { Directive, Property, Token } from './corefile/directive.ts'
export { fallthroughZones } from './corefile/fall.ts'
export { parseGoDuration, printGoDuration } from './corefile/go-duration.ts'
/** Regular expressions whose time is linear in the text, whatever the pattern is. */
export { compileRegex, type LinearRegex, RegexError, type RegexMatch } from './corefile/linear-regex.ts'
export {
  choice,
  closestWord,
  count,
  duration,
  fallthrough,
  flag,
  type OptionRow,
  type OptionTable,
  type OptionValues,
  optionTable,
  parseCount,
  parseMs,
  text,
  unexpectedBlock,
  unknownProperty,
  words,
  wrongArguments,
  zones,
} from './corefile/option-table.ts'
export type { BlockConfig, BlockKey, ListenerConfig } from './corefile/server-config.ts'
export { zonesOfArguments } from './corefile/zone-argument.ts'
export type { Logger } from './observe/logger.ts'

// Metrics: prom-client's, one of a name per registry, summed over all processes and threads.
export type { Counter, Gauge, Histogram, Registry } from './observe/prom-client.ts'
export { SLIM_TIME_BOUNDS, sharedCounter, sharedGauge, sharedHistogram } from './observe/shared-metric.ts'
export { expectBare, expectOnce, onlyArgument } from './plugins/usage.ts'

// Records that a source publishes (`PrimaryContext.publisher`), answered from the record store like every zone.
export {
  fallthroughIn,
  openZoneHandler,
  type ZonePlugin,
  zoneFrontPart,
} from './plugins/zone-handler.ts'
// Names, types, records and messages: presentation text, wire form, dns-packet's shapes.
export {
  composeMessage,
  type Message,
  MessageError,
  type MessageParts,
  parseMessage,
} from './rdata/message.ts'
export { packetRecord, wireRecord } from './rdata/packet-record.ts'
export { rdataOctets } from './rdata/rdata.ts'
export { RdataError } from './rdata/rdata-error.ts'
export { printRecord, scanRecord, type WireRecord } from './rdata/record-text.ts'
export {
  className,
  classNumber,
  rcodeName,
  rcodeNumber,
  typeName,
  typeNumber,
} from './rdata/rr-types.ts'
export { addressText, parseAddress } from './wire/address.ts'
export { NameError, nameToText, normalizeZone, textToName } from './wire/name.ts'
/** A parsed message; with `ACCEPT` and `Query`, what tests of a plugin make queries from. */
export { ACCEPT, ParsedQuery } from './wire/parsed-query.ts'
export { ABSENT, NODATA, NXDOMAIN_OUTCOME } from './zone/outcomes.ts'
export type { ZoneForm, ZoneHandle, ZonePublisher, ZoneTransaction } from './zone/zone-change.ts'
export type { ZoneStore } from './zone/zone-store.ts'
