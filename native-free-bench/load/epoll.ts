/** Waits for many sockets at once, without Node's event loop: a load generator has nothing else to do. Linux, through node:ffi. */
import { strict as assert } from 'node:assert'

const EPOLLIN = 1
const EPOLL_CTL_ADD = 1
/** struct epoll_event is packed on x86-64 only. */
const EVENT_SIZE = process.arch === 'x64' ? 12 : 16
const EVENT_DATA = process.arch === 'x64' ? 4 : 8
const EVENTS_MAX = 128

const SIGNATURES = {
  epoll_create1: { arguments: ['i32'], return: 'i32' },
  epoll_ctl: { arguments: ['i32', 'i32', 'i32', 'pointer'], return: 'i32' },
  epoll_wait: { arguments: ['i32', 'function', 'i32', 'i32'], return: 'i32' },
  close: { arguments: ['i32'], return: 'i32' },
} as const

export class Epoll {
  readonly #functions: {
    epoll_ctl(epoll: number, operation: number, fd: number, event: bigint): number
    epoll_wait(epoll: number, events: bigint, max: number, timeoutMs: number): number
    close(fd: number): number
  }
  readonly #fd: number
  readonly #events = new ArrayBuffer(EVENT_SIZE * EVENTS_MAX)
  readonly #eventsAt: bigint
  readonly #view = new DataView(this.#events)

  private constructor(ffi: typeof import('node:ffi')) {
    const { functions } = ffi.dlopen(null, SIGNATURES)
    this.#functions = functions as never
    this.#eventsAt = ffi.getRawPointer(this.#events)
    this.#fd = (functions.epoll_create1 as (flags: number) => number)(0)
    assert(this.#fd >= 0, 'epoll_create1 failed')
  }

  static async open(): Promise<Epoll> {
    return new Epoll((await import('node:ffi')).default)
  }

  /** `token` is what `ready` gives for this descriptor. */
  add(fd: number, token: number): void {
    this.#view.setUint32(0, EPOLLIN, true)
    this.#view.setUint32(EVENT_DATA, token, true)
    this.#view.setUint32(EVENT_DATA + 4, 0, true)
    assert.equal(this.#functions.epoll_ctl(this.#fd, EPOLL_CTL_ADD, fd, this.#eventsAt), 0, 'epoll_ctl failed')
  }

  /** How many descriptors can be read; waits `timeoutMs` at most for the first. Blocks the thread. */
  wait(timeoutMs: number): number {
    return this.#functions.epoll_wait(this.#fd, this.#eventsAt, EVENTS_MAX, timeoutMs)
  }

  /** Token of the i-th descriptor that `wait` found. */
  ready(i: number): number {
    return this.#view.getUint32(i * EVENT_SIZE + EVENT_DATA, true)
  }

  close(): void {
    this.#functions.close(this.#fd)
  }
}
