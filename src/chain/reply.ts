/**
 * What a chain gives back: a message, an RCODE that the engine is to write (unwritten), or silence.
 *
 * A reply holds wire bytes, dns-packet-shaped records, or both; the other form is made when asked for. Wire form is a
 * whole message: header, the question of the query (12 octets + question), then the sections, without OPT: the OPT the
 * client gets is the engine's, with the options set in `options`.
 */
import type { Answer } from 'dns-packet'
import { parseMessage } from '../rdata/message.ts'

export const NOERROR = 0
export const FORMERR_RCODE = 1
export const SERVFAIL = 2
export const NXDOMAIN = 3
export const NOTIMP_RCODE = 4
export const REFUSED = 5
export const YXDOMAIN = 6

/** One EDNS option of a reply, for example an Extended DNS Error (code 15, RFC 8914). */
export interface ReplyOption {
  readonly code: number
  readonly data: Uint8Array
}

/** The records of a reply, in dns-packet's shapes. */
export interface Sections {
  answers: Answer[]
  authorities: Answer[]
  additionals: Answer[]
}

export interface ReplyFields {
  readonly rcode?: number
  readonly authoritative?: boolean
  readonly recursionAvailable?: boolean
  readonly authenticData?: boolean
  readonly truncated?: boolean
}

export class Reply {
  /** 12 bits: extended RCODEs too. */
  rcode: number
  authoritative: boolean
  recursionAvailable: boolean
  authenticData: boolean
  /** TC as an upstream set it; the engine sets it too when it has to cut. Such a reply is never stored. */
  truncated: boolean
  /** No plugin wrote a message: the engine writes a bare one with this RCODE. Never stored. */
  readonly unwritten: boolean
  /** No reply at all. */
  readonly dropped: boolean
  /** Why, for the `errors` plugin: `read udp …: i/o timeout`. */
  cause: string | undefined
  /** Options for the reply's OPT; sent only to clients that sent an OPT (RFC 6891 section 7). */
  options: ReplyOption[] = []
  #wire: Uint8Array | undefined
  #sections: Sections | undefined

  private constructor(fields: ReplyFields, kind: 'written' | 'unwritten' | 'dropped') {
    this.rcode = fields.rcode ?? NOERROR
    this.authoritative = fields.authoritative ?? false
    this.recursionAvailable = fields.recursionAvailable ?? false
    this.authenticData = fields.authenticData ?? false
    this.truncated = fields.truncated ?? false
    this.unwritten = kind === 'unwritten'
    this.dropped = kind === 'dropped'
  }

  /** From records in dns-packet's shapes. */
  static of(sections: Partial<Sections>, fields: ReplyFields = {}): Reply {
    const reply = new Reply(fields, 'written')
    reply.#sections = {
      answers: sections.answers ?? [],
      authorities: sections.authorities ?? [],
      additionals: sections.additionals ?? [],
    }
    return reply
  }

  /**
   * From a whole message in wire form whose question has the query's length, without OPT. The bytes are kept, not
   * copied: the caller gives them away. `rcode` overrides the header's four bits where an OPT extended them.
   */
  static fromWire(message: Uint8Array, rcode?: number): Reply {
    const flags = (message[2]! << 8) | message[3]!
    const reply = new Reply(
      {
        rcode: rcode ?? flags & 15,
        authoritative: (flags & 0x0400) !== 0,
        truncated: (flags & 0x0200) !== 0,
        recursionAvailable: (flags & 0x0080) !== 0,
        authenticData: (flags & 0x0020) !== 0,
      },
      'written',
    )
    reply.#wire = message
    return reply
  }

  /** SERVFAIL, REFUSED and the like that nobody wrote: the engine answers with the bare RCODE; `errors` logs the cause. */
  static unwritten(rcode: number, cause?: string): Reply {
    const reply = new Reply({ rcode }, 'unwritten')
    reply.cause = cause
    return reply
  }

  static drop(): Reply {
    return new Reply({}, 'dropped')
  }

  /** The message in wire form, or undefined when the records were made or changed as objects. */
  get wire(): Uint8Array | undefined {
    return this.#wire
  }

  /** The records as objects, parsed on first use. From then on they count, not the wire form: change them freely. */
  get sections(): Sections {
    if (this.#sections === undefined) {
      const wire = this.#wire
      if (wire === undefined) this.#sections = { answers: [], authorities: [], additionals: [] }
      else {
        const message = parseMessage(wire)
        this.#sections = {
          answers: message.answers,
          authorities: message.authorities,
          additionals: message.additionals,
        }
      }
    }
    this.#wire = undefined
    return this.#sections
  }

  /** Replaces the wire form (a changed copy with the same question). */
  setWire(message: Uint8Array): void {
    this.#wire = message
    this.#sections = undefined
  }
}
