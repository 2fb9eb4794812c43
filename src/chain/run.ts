/**
 * Runs a block's chain: one closure per plugin, made for the first query. A plugin that throws ends as SERVFAIL with an Extended DNS
 * Error, and the failure names the plugin (the innermost one that threw).
 */
import type { Handler, Next } from './plugin.ts'
import type { Query } from './query.ts'
import { REFUSED, Reply, SERVFAIL } from './reply.ts'

export interface Link {
  readonly name: string
  readonly handler: Handler
}

/** A throw inside a plugin. */
export interface Failure {
  readonly plugin: string
  readonly error: unknown
}

/** RFC 8914 section 4.1: Other Error. */
const EDE_OTHER = Uint8Array.of(0, 0)
export const OPTION_EDE = 15

export class Chain {
  /** Made when the first query comes. */
  #first: Next | undefined
  readonly #onFailure: (query: Query, failure: Failure) => void
  readonly links: readonly Link[]

  constructor(links: readonly Link[], onFailure: (query: Query, failure: Failure) => void) {
    this.links = links
    this.#onFailure = onFailure
  }

  /** Never throws and never rejects. */
  run(query: Query): Reply | Promise<Reply> {
    this.#first ??= this.#compose()
    return this.#first(query)
  }

  #compose(): Next {
    const { links } = this
    // CoreDNS refuses in a block without handlers, and fails when the last plugin passes a query on.
    const last = links.at(-1)
    let next: Next = () =>
      last === undefined
        ? Reply.unwritten(REFUSED)
        : Reply.unwritten(SERVFAIL, `plugin/${last.name}: no next plugin found`)
    for (const link of [...links].reverse()) next = this.#link(link, next)
    return next
  }

  #link({ name, handler }: Link, next: Next): Next {
    const failed = (query: Query, error: unknown): Reply => {
      this.#onFailure(query, { plugin: name, error })
      query.marks.noStore()
      const reply = Reply.unwritten(SERVFAIL)
      reply.options.push({ code: OPTION_EDE, data: EDE_OTHER })
      return reply
    }
    return (query) => {
      try {
        const reply = handler(query, next)
        return reply instanceof Promise ? reply.catch((error: unknown) => failed(query, error)) : reply
      } catch (error) {
        return failed(query, error)
      }
    }
  }
}
