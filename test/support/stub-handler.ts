/**
 * An engine's stand-in for tests of transports: the reply is the query with QR set. What the first octets of the
 * message body ask for: the first label of the qname names the behaviour.
 *
 *   late…   REPLY_LATER, answered when `answerLate` is called
 *   drop…   NO_REPLY
 *   lost…   REPLY_LATER, then `forget`
 *   big…    a reply of 60,000 octets
 *   throw…  an exception
 */
import type { Client } from '../../src/chain/plugin.ts'
import {
  NO_REPLY,
  type QueryHandler,
  REPLY_LATER,
  RETURN_PATH_SIZE,
  type ReplyPort,
} from '../../src/worker/query-handler.ts'

export const BIG_REPLY_SIZE = 60_000

interface Late {
  readonly port: ReplyPort
  readonly path: Uint8Array
  readonly reply: Uint8Array
  readonly lost: boolean
}

export class StubHandler implements QueryHandler {
  handled = 0
  flushes = 0
  readonly clients: string[] = []
  readonly late: Late[] = []
  /** Answered without being asked to, on the next turn. */
  autoAnswer = false

  handle(
    bytes: Uint8Array,
    start: number,
    length: number,
    client: Client,
    port: ReplyPort,
    out: Uint8Array,
    outStart: number,
    outMax: number,
  ): number {
    this.handled++
    const { family, address, port: clientPort, listenerId, tcp } = client
    if (this.clients.length < 100) {
      const octets = [...address.subarray(0, family === 4 ? 4 : 16)].join('.')
      this.clients.push(`${family} ${octets} ${clientPort > 0} ${listenerId} ${tcp}`)
    }
    const label = Buffer.from(bytes.subarray(start + 13, start + 13 + (bytes[start + 12] ?? 0))).toString('latin1')
    if (label.startsWith('throw')) throw new Error('thrown by the stub')
    if (label.startsWith('drop')) return NO_REPLY
    const reply = Uint8Array.from(bytes.subarray(start, start + length))
    reply[2] = reply[2]! | 0x80
    if (label.startsWith('late') || label.startsWith('lost')) {
      const path = new Uint8Array(RETURN_PATH_SIZE)
      port.saveReturnPath(path, 0)
      this.late.push({ port, path, reply, lost: label.startsWith('lost') })
      if (this.autoAnswer) setImmediate(() => this.answerLate())
      return REPLY_LATER
    }
    const size = label.startsWith('big') ? BIG_REPLY_SIZE : length
    if (size > outMax) throw new Error(`no room for ${size} octets`)
    out.fill(0, outStart, outStart + size)
    out.set(reply, outStart)
    return size
  }

  flush(): void {
    this.flushes++
  }

  /** Answers what waits, the newest first. */
  answerLate(): void {
    const ports = new Set<ReplyPort>()
    for (const { port, path, reply, lost } of this.late.splice(0).reverse()) {
      if (lost) port.forget(path, 0)
      else port.sendLater(path, 0, reply, 0, reply.length)
      ports.add(port)
    }
    for (const port of ports) port.flushLater()
  }
}
