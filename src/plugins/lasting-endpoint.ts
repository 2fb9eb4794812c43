/** An HTTP endpoint that a server can do without: when its address can't be opened, it is tried again until it can. */

import { type Endpoint, type HttpHandler, openEndpoint, type TlsSetup } from '../observe/http-endpoint.ts'
import type { ListenAddress } from '../observe/listen-address.ts'

/** Between attempts to open an address that was taken. */
const RETRY_MS = 5000

export class LastingEndpoint {
  readonly #address: ListenAddress
  readonly #path: string
  readonly #handler: HttpHandler
  readonly #onError: (error: Error) => void
  readonly #onOpen: (() => void) | undefined
  readonly #tls: TlsSetup | undefined
  #endpoint: Endpoint | undefined
  #timer: NodeJS.Timeout | undefined
  #closed = false

  /** `onError` is told of the first failure only; `onOpen` when the address is open after all. */
  constructor(
    address: ListenAddress,
    path: string,
    handler: HttpHandler,
    about: {
      readonly onError: (error: Error) => void
      readonly onOpen?: () => void
      readonly tls?: TlsSetup | undefined
    },
  ) {
    this.#address = address
    this.#path = path
    this.#handler = handler
    this.#onError = about.onError
    this.#onOpen = about.onOpen
    this.#tls = about.tls
  }

  /** Resolves after the first attempt, whatever came of it. */
  async open(): Promise<void> {
    const error = await this.#tryOpen()
    if (error === undefined) return
    this.#onError(error)
    this.#retryLater()
  }

  /** Where it listens; undefined while it doesn't. */
  get address(): ListenAddress | undefined {
    return this.#endpoint?.address
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await this.#endpoint?.close()
    this.#endpoint = undefined
  }

  async #tryOpen(): Promise<Error | undefined> {
    try {
      const endpoint = await openEndpoint(this.#address, this.#path, this.#handler, this.#tls)
      if (this.#closed) await endpoint.close()
      else this.#endpoint = endpoint
      return undefined
    } catch (error) {
      return error as Error
    }
  }

  #retryLater(): void {
    this.#timer = setTimeout(async () => {
      if ((await this.#tryOpen()) === undefined) this.#onOpen?.()
      else if (!this.#closed) this.#retryLater()
    }, RETRY_MS)
    this.#timer.unref()
  }
}
