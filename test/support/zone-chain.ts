/** A store, its publisher and a plugin's handler, as they meet in a process: for plugins whose data is in the record store. */
import { Registry } from 'prom-client'
import type {
  Handler,
  HandlerContext,
  Next,
  Plugin,
  PrimaryContext,
  PrimaryPart,
  ServerControl,
} from '../../src/chain/plugin.ts'
import { Query } from '../../src/chain/query.ts'
import { Reply, SERVFAIL } from '../../src/chain/reply.ts'
import type { PluginConfig } from '../../src/corefile/server-config.ts'
import { parseMessage } from '../../src/rdata/message.ts'
import type { ParsedQuery } from '../../src/wire/parsed-query.ts'
import { ZonePublishing } from '../../src/zone/zone-publisher.ts'
import { ZoneStore } from '../../src/zone/zone-store.ts'
import { aBlock, aLog } from './front.ts'

const SOURCE_ID = 7

export interface ZoneChain {
  readonly part: PrimaryPart
  readonly handler: Handler
  readonly store: ZoneStore
  readonly registry: Registry
  readonly log: ReturnType<typeof aLog>
  readonly sourceId: number
  /** Asks the plugin; what it passes on becomes `passed`. */
  ask(query: ParsedQuery, lookup?: Lookup): Promise<Reply>
  close(): Promise<void>
}

export type Lookup = (qname: string, qtype: number) => Reply

export const passed = Reply.unwritten(SERVFAIL, 'passed on')

/** Starts the plugin's primary part with a store of its own and opens its handler. `others`: more plugins of its block. */
export async function openZoneChain<O>(
  plugin: Plugin<O>,
  options: O,
  next: Next = () => passed,
  others: readonly PluginConfig[] = [],
): Promise<ZoneChain> {
  const store = ZoneStore.create({ bytesMax: 64 << 20 })
  const publishing = new ZonePublishing({ store, send: () => undefined })
  const registry = new Registry()
  const log = aLog()
  const block = aBlock(['.'], [{ name: plugin.name, options, sourceId: SOURCE_ID }, ...others])
  const server = { listeners: [], hash: '' } as unknown as ServerControl
  const primary: PrimaryContext = {
    sourceId: SOURCE_ID,
    block,
    log,
    registry,
    publisher: publishing.forSource(SOURCE_ID),
    server,
    tell: () => undefined,
  }
  const part = (await plugin.primary!(options, primary))!
  await part.start()
  let lookup: Lookup = () => Reply.unwritten(5)
  const context = {
    sourceId: SOURCE_ID,
    block,
    log,
    registry,
    store,
    lookup: async (_query: Query, qname: string, qtype: number) => lookup(qname, qtype),
    listeners: [],
    report: () => undefined,
    onTold: () => undefined,
    onClose: () => undefined,
  } as unknown as HandlerContext
  const handler = await plugin.handle!(options, context)
  return {
    part,
    handler,
    store,
    registry,
    log,
    sourceId: SOURCE_ID,
    ask: async (parsed, lookupOnce) => {
      if (lookupOnce !== undefined) lookup = lookupOnce
      const client = { address: '192.0.2.7', port: 40112, family: 4 } as const
      return handler(new Query(parsed, { client, tcp: false, blockId: 0, listenerId: 0 }), next)
    },
    close: async () => {
      await part.stop()
      await publishing.removeSource(SOURCE_ID)
    },
  }
}

/** A reply as text: RCODE, AA, then the sections' records. */
export function shown(reply: Reply): string {
  if (reply === passed) return 'passed on'
  if (reply.dropped) return 'dropped'
  if (reply.unwritten) return `unwritten ${reply.rcode}`
  const { answers, authorities, additionals } = parseMessage(reply.wire!)
  const section = (name: string, records: readonly unknown[]): string[] =>
    records.length === 0 ? [] : [`${name}: ${(records as Parameters<typeof text>[0][]).map(text).join(', ')}`]
  return [
    `${reply.rcode}${reply.authoritative ? ' aa' : ''}`,
    ...section('answer', answers),
    ...section('authority', authorities),
    ...section('additional', additionals),
  ].join('; ')
}

function text(record: {
  readonly name: string
  readonly type: string
  readonly ttl?: number
  readonly data?: unknown
}): string {
  const plain = Array.isArray(record.data) ? record.data.map(String) : record.data
  const data = typeof plain === 'string' ? plain : JSON.stringify(plain)
  return `${record.name} ${record.ttl} ${record.type} ${data}`
}
