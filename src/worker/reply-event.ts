/**
 * An event descriptor that pool threads write to when they have replies for the event loop. Atomics.notify would do, and does where
 * there is no node:ffi; but it wakes the event loop while it holds a lock that the event loop then wants, and on one core the two
 * change places twice for each wake-up.
 */
import { SOCK_CLOEXEC, SOCK_NONBLOCK, UV_READABLE } from '../mmsg/layout.ts'
import { type Libc, loadLibc } from '../mmsg/libc.ts'
import { drainTicks } from './mmsg/drain-ticks.ts'
import { Poll } from './mmsg/poll.ts'

export class ReplyEvent {
  readonly fd: number
  readonly #libc: Libc
  readonly #poll: Poll
  readonly #count = new ArrayBuffer(8)
  readonly #countAt: bigint

  /** Throws where libuv can't watch the descriptor. */
  constructor(libc: Libc, fd: number, onEvent: () => void) {
    this.fd = fd
    this.#libc = libc
    this.#countAt = libc.addressOf(this.#count)
    this.#poll = new Poll(libc, fd, () => {
      this.#libc.eventfd_read(fd, this.#countAt)
      try {
        onEvent()
      } catch (error) {
        rethrow(error)
      }
      drainTicks(rethrow)
    })
    this.#poll.ref(false)
    this.#poll.watch(UV_READABLE)
  }

  /** Threads must not write any more. */
  close(): Promise<void> {
    return this.#poll.close()
  }
}

/** Undefined where there is none to be had. */
export async function openReplyEvent(onEvent: () => void): Promise<ReplyEvent | undefined> {
  try {
    const libc = await loadLibc()
    // EFD_NONBLOCK and EFD_CLOEXEC have the values of the flags for sockets.
    const fd = libc.eventfd(0, SOCK_NONBLOCK | SOCK_CLOEXEC)
    return fd < 0 ? undefined : new ReplyEvent(libc, fd, onEvent)
  } catch {
    return undefined
  }
}

/** As from one of Node's own callbacks; out of libuv's, it would end the process without a word. */
function rethrow(error: unknown): void {
  setImmediate(() => {
    throw error
  })
}
