/**
 * An engine for tests of processes, sockets and reloads: every reply says who made it, and some names do harm.
 *
 *   crash…   the process ends        hang…    the event loop stops for ever
 *   throw…   an exception            late…    answered by a timer, after the milliseconds in the label (late200)
 *   slow…    never answered
 *
 * A reply is the query with QR set and TRAILER_SIZE octets behind it: process id, generation of the configuration, and
 * the serial that the stub store holds.
 */

import { Counter, Registry } from 'prom-client'
import type { Client } from '../../src/chain/plugin.ts'
import { figuresOf } from '../../src/messages/figures.ts'
import type { Engine, EngineOptions } from '../../src/worker/engine.ts'
import { NO_REPLY, REPLY_LATER, RETURN_PATH_SIZE, type ReplyPort } from '../../src/worker/query-handler.ts'
import type { ZoneChange } from '../../src/zone/zone-change.ts'
import type { ZoneStore } from '../../src/zone/zone-store.ts'

export const TRAILER_SIZE = 12

/** What a stub's reply says. */
export function trailerOf(reply: Uint8Array): {
  readonly pid: number
  readonly generation: number
  readonly serial: number
} {
  const view = new DataView(reply.buffer, reply.byteOffset + reply.length - TRAILER_SIZE, TRAILER_SIZE)
  return { pid: view.getUint32(0), generation: view.getUint32(4), serial: view.getUint32(8) }
}

/** A store of one number: the first four octets of the records of the last transaction that was committed. */
export class StubStore {
  serial = 0
  readonly applied: ZoneChange[] = []
  readonly #open = new Map<number, number>()
  readonly #served = new Map<string, number>()
  readonly #zones = new Map<number, string>()

  apply(change: ZoneChange): void {
    if (this.applied.length < 10_000) this.applied.push(change)
    if (change.kind === 'begin') this.#zones.set(change.transaction, `${change.sourceId} ${change.apex}`)
    if (change.kind === 'records') {
      this.#open.set(change.transaction, new DataView(change.batch.buffer, change.batch.byteOffset).getUint32(0))
    }
    if (change.kind === 'commit') {
      const serial = this.#open.get(change.transaction)
      if (serial === undefined) throw new Error('commit without records')
      this.serial = serial
      this.#served.set(this.#zones.get(change.transaction)!, serial)
    }
    if (change.kind === 'remove') this.#served.delete(`${change.sourceId} ${change.apex}`)
  }

  *dump(): Iterable<ZoneChange> {
    let transaction = 2 ** 50
    for (const [zone, serial] of [...this.#served]) {
      const [sourceId, apex] = zone.split(' ') as [string, string]
      transaction++
      yield { kind: 'begin', transaction, sourceId: Number(sourceId), apex, mode: 'replace', form: 'zone' }
      yield { kind: 'records', transaction, batch: serialBatch(serial) }
      yield { kind: 'commit', transaction }
    }
  }

  *records(sourceId: number, apex: string): Iterable<Uint8Array> {
    yield serialBatch(this.#served.get(`${sourceId} ${apex}`)!)
  }
}

export function serialBatch(serial: number): Uint8Array {
  const batch = new Uint8Array(4)
  new DataView(batch.buffer).setUint32(0, serial)
  return batch
}

interface Late {
  readonly port: ReplyPort
  readonly path: Uint8Array
  readonly reply: Uint8Array
}

/** A configuration whose first block's first zone begins with `bad` can't be built. */
export async function createStubEngine({ config, store, onReport }: EngineOptions): Promise<Engine> {
  if (config.blocks[0]?.zones[0]?.startsWith('bad')) throw new Error('the stub refuses this configuration')
  const registry = new Registry()
  const queries = new Counter({ name: 'stub_queries_total', help: 'Queries.', registers: [registry] })
  const late = new Set<Late>()
  const held: Late[] = []
  let isHeld = false
  const answer = (each: Late): void => {
    late.delete(each)
    if (isHeld) {
      held.push(each)
      return
    }
    each.port.sendLater(each.path, 0, each.reply, 0, each.reply.length)
    each.port.flushLater()
  }
  return {
    open: () => Promise.resolve(),
    handle(bytes, start, length, _client: Client, port, out, outStart) {
      queries.inc()
      const label = Buffer.from(bytes.subarray(start + 13, start + 13 + (bytes[start + 12] ?? 0))).toString('latin1')
      if (label.startsWith('crash')) process.exit(7)
      if (label.startsWith('hang')) for (;;);
      if (label.startsWith('throw')) throw new Error('thrown by the stub')
      if (label.startsWith('slow')) return REPLY_LATER
      if (label.startsWith('report')) onReport(1, label)
      if (length < 12) return NO_REPLY
      const reply = new Uint8Array(length + TRAILER_SIZE)
      reply.set(bytes.subarray(start, start + length))
      reply[2] = reply[2]! | 0x80
      const view = new DataView(reply.buffer, length)
      view.setUint32(0, process.pid)
      view.setUint32(4, config.generation)
      view.setUint32(8, (store as unknown as StubStore).serial ?? 0)
      if (label.startsWith('late')) {
        const path = new Uint8Array(RETURN_PATH_SIZE)
        port.saveReturnPath(path, 0)
        const each = { port, path, reply }
        late.add(each)
        setTimeout(() => answer(each), Number(label.slice(4)))
        return REPLY_LATER
      }
      out.set(reply, outStart)
      return reply.length
    },
    flush() {},
    tell() {},
    figures: async () => [await figuresOf(registry)],
    hold() {
      isHeld = true
    },
    release() {
      isHeld = false
      for (const each of held.splice(0)) answer(each)
    },
    async close(graceMs) {
      const until = performance.now() + graceMs
      while (late.size > 0 && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 5))
    },
  }
}

/** For processes whose store only takes. */
export function stubStore(): ZoneStore {
  return new StubStore() as unknown as ZoneStore
}
