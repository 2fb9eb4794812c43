/** Serves /ready in the primary. */
import type { PrimaryContext, PrimaryPart } from '../../chain/plugin.ts'
import type { HttpReply } from '../../observe/http-endpoint.ts'
import { LastingEndpoint } from '../lasting-endpoint.ts'
import type { ReadyOptions } from './index.ts'

export class ReadyEndpoint implements PrimaryPart {
  readonly #options: ReadyOptions
  readonly #context: Pick<PrimaryContext, 'log' | 'server'>
  readonly #endpoint: LastingEndpoint
  /** Plugins that were not ready whenever they were asked; undefined until somebody asks. */
  #pending: Set<string> | undefined
  #shuttingDown = false

  constructor(options: ReadyOptions, context: Pick<PrimaryContext, 'log' | 'server'>) {
    this.#options = options
    this.#context = context
    this.#endpoint = new LastingEndpoint(options.address, '/ready', () => this.#answer(), {
      onError: (error) => context.log.error(`Failed to start ready handler: ${error.message}`),
    })
  }

  /** An address that can't be opened leaves DNS as it is: an error is logged, and the address is tried again. */
  start(): Promise<void> {
    return this.#endpoint.open()
  }

  stop(): Promise<void> {
    return this.#endpoint.close()
  }

  async drain(): Promise<void> {
    this.#shuttingDown = true
  }

  reloaded(): void {
    this.#pending = undefined
  }

  get address() {
    return this.#endpoint.address
  }

  #answer(): HttpReply {
    if (this.#shuttingDown) return { status: 503, body: 'Shutting down' }
    const waiting = this.#waiting()
    if (waiting.length === 0) return { status: 200, body: 'OK' }
    const list = waiting.join(',')
    this.#context.log.info(`Plugins not ready: ${JSON.stringify(list)}`)
    return { status: 503, body: list }
  }

  #waiting(): readonly string[] {
    const notReady = this.#context.server.notReady()
    if (this.#options.continuously) return notReady
    const pending = this.#pending
    // Who isn't in the list was ready when asked, and is not asked again.
    this.#pending = new Set(pending === undefined ? notReady : notReady.filter((name) => pending.has(name)))
    return [...this.#pending]
  }
}
