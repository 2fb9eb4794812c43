/**
 * Watches a file descriptor from Node's own event loop, with the uv_poll_t that libuv offers and Node's API doesn't.
 *
 *   open ──start(events)──► watching ──close()──► closing ──libuv's close callback──► gone
 *
 * libuv writes into the handle until its close callback has run, so handle and callbacks stay referenced from `held`
 * until then, whatever became of the Poll object.
 */

import { UV_POLL } from '../../mmsg/layout.ts'
import type { Libc } from '../../mmsg/libc.ts'

/** Everything whose address libuv holds. */
const held = new Set<object>()

export class Poll {
  readonly #libc: Libc
  readonly #fd: number
  readonly #handle: ArrayBuffer
  readonly #handleAt: bigint
  readonly #onReady: bigint
  #events = 0
  #closed: Promise<void> | undefined

  /**
   * Takes `fd` over: it is closed by `close()`, or before an error is thrown from here. `onReady(events, status)`: UV_READABLE or
   * UV_WRITABLE bits, or a negative libuv error. It must not throw.
   */
  constructor(libc: Libc, fd: number, onReady: (events: number, status: number) => void) {
    this.#libc = libc
    this.#fd = fd
    this.#handle = new ArrayBuffer(Number(libc.uv_handle_size(UV_POLL)))
    this.#handleAt = libc.addressOf(this.#handle)
    const status = libc.uv_poll_init(libc.loop, this.#handleAt, fd)
    if (status !== 0) {
      libc.close(fd)
      throw new Error(`uv_poll_init failed: ${status}`)
    }
    this.#onReady = libc.pollCallback((status, events) => {
      if (this.#closed !== undefined) return
      // libuv stops a handle whose descriptor has an error pending (an ICMP message's, say) before it says so.
      if (status < 0) this.#events = 0
      onReady(events, status)
    })
    held.add(this)
  }

  /** Asks for these events from now on; 0 for none. Cheap when nothing changes. */
  watch(events: number): void {
    if (events === this.#events || this.#closed !== undefined) return
    this.#events = events
    if (events === 0) this.#libc.uv_poll_stop(this.#handleAt)
    else this.#libc.uv_poll_start(this.#handleAt, events, this.#onReady)
  }

  /** Whether the handle keeps the process running; it does at first. */
  ref(keep: boolean): void {
    if (this.#closed !== undefined) return
    if (keep) this.#libc.uv_ref(this.#handleAt)
    else this.#libc.uv_unref(this.#handleAt)
  }

  /** Stops and closes the descriptor at once; `onReady` is not called again. Resolves when libuv let go of the handle. Safe from `onReady`. */
  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      const libc = this.#libc
      libc.uv_poll_stop(this.#handleAt)
      const onClose = libc.closeCallback(() => {
        // A callback may not be released while it runs, and these two are libuv's until this one returns.
        setImmediate(() => {
          libc.releaseCallback(this.#onReady)
          libc.releaseCallback(onClose)
          held.delete(this)
          resolve()
        })
      })
      libc.uv_close(this.#handleAt, onClose)
      libc.close(this.#fd)
    })
    return this.#closed
  }
}
