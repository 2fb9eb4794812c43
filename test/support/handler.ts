/** Runs a plugin's handler as a pool thread does: options from Corefile text, a Query from wire bytes. */
import assert from 'node:assert/strict'
import { after } from 'node:test'
import { Registry } from 'prom-client'
import type { Handler, HandlerContext, Next, Plugin } from '../../src/chain/plugin.ts'
import { Query } from '../../src/chain/query.ts'
import { Reply } from '../../src/chain/reply.ts'
import { typeNumber } from '../../src/rdata/rr-types.ts'
import { ACCEPT, ParsedQuery } from '../../src/wire/parsed-query.ts'
import { type ParseSetting, parseWith } from './directives.ts'
import { composeTestQuery, type QueryOptions } from './dns-client.ts'
import { aBlock, aListener, aLog } from './front.ts'

export interface QuerySetting extends QueryOptions {
  readonly address?: string
  readonly port?: number
  readonly tcp?: boolean
}

/** A query from 192.0.2.7:40112 over UDP unless the setting says otherwise. `qtype`: mnemonic. */
export function aChainQuery(qname: string, qtype = 'A', setting: QuerySetting = {}): Query {
  const bytes = composeTestQuery(qname, typeNumber(qtype)!, { id: 4711, ...setting })
  return queryOf(bytes, setting)
}

/** The same from a message in wire form. */
export function queryOf(bytes: Uint8Array, setting: QuerySetting = {}): Query {
  const parsed = new ParsedQuery()
  assert.equal(parsed.parse(bytes, 0, bytes.length), ACCEPT)
  const { address = '192.0.2.7', port = 40112, tcp = false } = setting
  return new Query(parsed, {
    client: { address, port, family: address.includes(':') ? 6 : 4 },
    tcp,
    blockId: 0,
    listenerId: 0,
  })
}

export interface OpenedHandler {
  readonly handler: Handler
  readonly log: ReturnType<typeof aLog>
  readonly registry: Registry
  /** What the handler reported to its primary part. */
  readonly reports: unknown[]
  /** Speaks to the handler as its primary part does. */
  tell(data: unknown): void
  /** The answer for a query; `next` refuses by default, which shows that the query was passed on. */
  ask(query: Query, next?: Next): Promise<Reply>
  close(): void
}

/** A test that fails half-way leaves no socket open: the file's run would never end. */
const opened: OpenedHandler[] = []
after(() => closeAll(...opened))

export const NEXT_CAUSE = 'passed on'

/** `prepare` runs too. Close it at the end of the test. */
export async function openHandler<O>(
  plugin: Plugin<O>,
  corefile: string,
  setting: ParseSetting & { readonly context?: Partial<HandlerContext> } = {},
): Promise<OpenedHandler> {
  const zones = setting.zones ?? ['.']
  const parsed = parseWith(plugin, corefile, setting)
  const options = plugin.prepare === undefined ? parsed : await plugin.prepare(parsed)
  const log = aLog()
  const registry = new Registry()
  const reports: unknown[] = []
  const closers: (() => void)[] = []
  const listeners: ((data: unknown) => void)[] = []
  const handler = await plugin.handle!(structuredClone(options), {
    sourceId: 1,
    block: aBlock(zones),
    log,
    registry,
    store: undefined as never,
    listeners: [aListener()],
    ffi: true,
    lookup: async () => Reply.unwritten(2),
    report: (data) => reports.push(structuredClone(data)),
    onTold: (listener) => listeners.push(listener),
    onClose: (close) => closers.push(close),
    ...setting.context,
  })
  const handle: OpenedHandler = {
    handler,
    log,
    registry,
    reports,
    tell: (data) => {
      for (const listener of listeners) listener(structuredClone(data))
    },
    ask: async (query, next = () => Reply.unwritten(5, NEXT_CAUSE)) => handler(query, next),
    close: () => {
      for (const close of closers.splice(0)) close()
    },
  }
  opened.push(handle)
  return handle
}

/** For `t.after`. */
export async function closeAll(...open: readonly { close(): unknown }[]): Promise<void> {
  for (const each of open) await each.close()
}
