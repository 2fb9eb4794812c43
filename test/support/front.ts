/** What the event loop hands to front parts, made from dns-packet messages. */

import assert from 'node:assert/strict'
import dnsPacket, { type Answer, type Packet } from 'dns-packet'
import type { Client, Outcome } from '../../src/chain/plugin.ts'
import type { BlockConfig, ListenerConfig, PluginConfig } from '../../src/corefile/server-config.ts'
import type { Logger } from '../../src/observe/logger.ts'
import { parseAddress } from '../../src/wire/address.ts'
import { ACCEPT, ParsedQuery } from '../../src/wire/parsed-query.ts'

export interface QueryFields {
  readonly name: string
  readonly type?: string
  readonly class?: string
  readonly id?: number
  readonly udpSize?: number
  readonly dnssecOk?: boolean
  readonly flags?: number
}

/** A parsed query. `type` and `class` are mnemonics or `TYPE123`. */
export function aQuery(fields: QueryFields): ParsedQuery {
  const packet: Packet = {
    type: 'query',
    id: fields.id ?? 4711,
    flags: fields.flags ?? dnsPacket.RECURSION_DESIRED,
    questions: [{ name: fields.name, type: (fields.type ?? 'A') as 'A', class: (fields.class ?? 'IN') as 'IN' }],
    additionals:
      fields.udpSize === undefined
        ? []
        : [
            {
              type: 'OPT',
              name: '.',
              udpPayloadSize: fields.udpSize,
              flags: fields.dnssecOk === true ? dnsPacket.DNSSEC_OK : 0,
              options: [],
            } as unknown as Answer,
          ],
  }
  const query = new ParsedQuery()
  const bytes = dnsPacket.encode(packet)
  assert.equal(query.parse(bytes, 0, bytes.length), ACCEPT)
  return query
}

/** A reply to `query` in wire form; dns-packet doesn't compress names. */
export function aReply(
  query: ParsedQuery,
  sections: { readonly answers?: Answer[]; readonly authorities?: Answer[]; readonly additionals?: Answer[] },
  about: { readonly rcode?: number; readonly flags?: number } = {},
): Uint8Array {
  const bytes = dnsPacket.encode({
    type: 'response',
    id: query.id,
    flags: (query.flags & 0x0100) | (about.flags ?? 0x0400) | (about.rcode ?? 0),
    questions: dnsPacket.decode(Buffer.from(query.bytes)).questions ?? [],
    answers: sections.answers ?? [],
    authorities: sections.authorities ?? [],
    additionals: sections.additionals ?? [],
  })
  return new Uint8Array(bytes)
}

export function aClient(text = '192.0.2.7', port = 40112, about: { tcp?: boolean; listenerId?: number } = {}): Client {
  const octets = new Uint8Array(16)
  const family = parseAddress(text, octets)
  return { family, address: octets, port, listenerId: about.listenerId ?? 0, tcp: about.tcp ?? false }
}

export function anOutcome(reply: Uint8Array | undefined, about: Partial<Outcome> = {}): Outcome {
  return {
    blockId: 0,
    rcode: reply === undefined ? -1 : reply[3]! & 15,
    reply: reply ?? new Uint8Array(0),
    start: 0,
    length: reply?.length ?? 0,
    seconds: 0,
    fromCache: false,
    fromStore: false,
    ...about,
  }
}

export function aListener(fields: Partial<ListenerConfig> = {}): ListenerConfig {
  return {
    id: 0,
    transport: 'dns',
    address: '',
    port: 53,
    sockets: 0,
    server: 'dns://:53',
    zones: [{ zone: '.', blockIds: [0] }],
    allClasses: false,
    ...fields,
  }
}

export function aBlock(zones: readonly string[], plugins: readonly Partial<PluginConfig>[] = []): BlockConfig {
  return {
    id: 0,
    at: { file: 'Corefile', line: 1, column: 1 },
    keys: zones.map((zone) => ({ transport: 'dns', zone, port: 53 })),
    zones,
    root: '/',
    debug: false,
    plugins: plugins.map((plugin, index) => ({ name: 'x', options: {}, sourceId: index + 1, ...plugin })),
  }
}

/** A logger that keeps `LEVEL text` lines. */
export function aLog(): Logger & { readonly lines: string[] } {
  const lines: string[] = []
  const put = (level: string) => (text: string) => {
    lines.push(`${level} ${text}`)
  }
  return { lines, debug: put('DEBUG'), info: put('INFO'), warning: put('WARNING'), error: put('ERROR') }
}
