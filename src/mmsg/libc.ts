/**
 * The functions of libc and libuv that the mmsg transport, _forward_ and the hand-off call, found in the running process through node:ffi. Nothing here
 * is loaded, compiled or linked: the Node binary has them all. One set per thread, because errno's address is a thread's own.
 */
import { getSystemErrorMap } from 'node:util'
import { ARCHITECTURES } from './layout.ts'

type Ffi = typeof import('node:ffi')
type Address = bigint

/**
 * Addresses are passed as bigints made once: making one per call would allocate. The two calls of the hot loop declare
 * theirs as 'function', which node:ffi passes like any pointer: calls with more than three arguments cost 0.38 µs that way and
 * 0.51 µs as 'pointer' or 'u64' (Node 26.10), see native-free-bench/ffi-call.ts.
 */
const SIGNATURES = {
  socket: { arguments: ['i32', 'i32', 'i32'], return: 'i32' },
  bind: { arguments: ['i32', 'pointer', 'i32'], return: 'i32' },
  connect: { arguments: ['i32', 'pointer', 'i32'], return: 'i32' },
  close: { arguments: ['i32'], return: 'i32' },
  getsockname: { arguments: ['i32', 'pointer', 'pointer'], return: 'i32' },
  setsockopt: { arguments: ['i32', 'i32', 'i32', 'pointer', 'i32'], return: 'i32' },
  getsockopt: { arguments: ['i32', 'i32', 'i32', 'pointer', 'pointer'], return: 'i32' },
  recvmmsg: { arguments: ['i32', 'function', 'i32', 'i32', 'function'], return: 'i32' },
  sendmmsg: { arguments: ['i32', 'function', 'i32', 'i32'], return: 'i32' },
  if_nametoindex: { arguments: ['string'], return: 'u32' },
  eventfd: { arguments: ['u32', 'i32'], return: 'i32' },
  eventfd_read: { arguments: ['i32', 'pointer'], return: 'i32' },
  eventfd_write: { arguments: ['i32', 'u64'], return: 'i32' },
  __errno_location: { arguments: [], return: 'pointer' },
  uv_handle_size: { arguments: ['i32'], return: 'u64' },
  uv_poll_init: { arguments: ['pointer', 'pointer', 'i32'], return: 'i32' },
  uv_poll_start: { arguments: ['pointer', 'i32', 'pointer'], return: 'i32' },
  uv_poll_stop: { arguments: ['pointer'], return: 'i32' },
  uv_close: { arguments: ['pointer', 'pointer'], return: 'void' },
  uv_ref: { arguments: ['pointer'], return: 'void' },
  uv_unref: { arguments: ['pointer'], return: 'void' },
} as const

/** libc and libuv of this thread. Addresses are bigints; results are the C functions'. */
export interface Libc {
  socket(domain: number, type: number, protocol: number): number
  bind(fd: number, address: Address, size: number): number
  connect(fd: number, address: Address, size: number): number
  close(fd: number): number
  getsockname(fd: number, address: Address, size: Address): number
  setsockopt(fd: number, level: number, option: number, value: Address, size: number): number
  getsockopt(fd: number, level: number, option: number, value: Address, size: Address): number
  recvmmsg(fd: number, headers: Address, count: number, flags: number, timeout: Address): number
  sendmmsg(fd: number, headers: Address, count: number, flags: number): number
  /** 0 when there is no such interface. */
  if_nametoindex(name: string): number
  eventfd(count: number, flags: number): number
  /** Takes the count, eight octets, to `value`. */
  eventfd_read(fd: number, value: Address): number
  eventfd_write(fd: number, value: bigint): number
  uv_handle_size(type: number): bigint
  uv_poll_init(loop: Address, handle: Address, fd: number): number
  uv_poll_start(handle: Address, events: number, callback: Address): number
  uv_poll_stop(handle: Address): number
  uv_close(handle: Address, callback: Address): void
  uv_ref(handle: Address): void
  uv_unref(handle: Address): void
  /** errno as the latest failed call left it. To be read before anything else is called. */
  errno(): number
  /** The loop that runs this thread. */
  readonly loop: Address
  /** Where the buffer's octets are. The caller keeps the buffer for as long as anybody holds the address. */
  addressOf(buffer: ArrayBuffer): Address
  /** A uv_poll_cb that calls `callback` on this thread. Lives until `releaseCallback`. */
  pollCallback(callback: (status: number, events: number) => void): Address
  /** A uv_close_cb. */
  closeCallback(callback: () => void): Address
  /** Never from inside the callback itself. */
  releaseCallback(callback: Address): void
}

/** Why this process cannot have the transport. The text completes "UDP transport mmsg is not available: …". */
export class MmsgUnavailable extends Error {
  readonly code = 'ERR_MMSG_UNAVAILABLE'
}

/** A socket call failed. `code` is the errno's name: EADDRINUSE. */
export class SocketError extends Error {
  readonly code: string
  readonly errno: number
  readonly syscall: string

  constructor(syscall: string, errno: number, about: string) {
    const code = errnoName(errno)
    super(`${syscall} ${code} ${about}`)
    this.syscall = syscall
    this.errno = errno
    this.code = code
  }
}

/** `ECONNREFUSED` for 111. */
export function errnoName(errno: number): string {
  return getSystemErrorMap().get(-errno)?.[0] ?? `errno ${errno}`
}

let loaded: Promise<Libc> | undefined

/**
 * This thread's functions, found on the first call. Rejects with MmsgUnavailable where there is no node:ffi (Node 24, a build without
 * it, the permission model without --allow-ffi), no Linux, or an architecture whose layouts are not in `layout.ts`.
 */
export function loadLibc(): Promise<Libc> {
  loaded ??= load()
  return loaded
}

async function load(): Promise<Libc> {
  if (process.platform !== 'linux') throw new MmsgUnavailable(`it needs Linux, this is ${process.platform}`)
  if (!ARCHITECTURES.includes(process.arch)) {
    throw new MmsgUnavailable(`it knows ${ARCHITECTURES.join(' and ')}, this is ${process.arch}`)
  }
  // Node before 26.1 has no such module.
  const ffi: Ffi | undefined = process.getBuiltinModule('node:ffi')
  if (ffi === undefined) throw new MmsgUnavailable(`Node ${process.versions.node} has no node:ffi`)
  try {
    return bindFunctions(ffi)
  } catch (error) {
    throw new MmsgUnavailable(`node:ffi: ${(error as Error).message}`)
  }
}

function bindFunctions(ffi: Ffi): Libc {
  const { lib, functions } = ffi.dlopen(null, SIGNATURES)
  const errnoAt = functions.__errno_location() as bigint
  return {
    ...(functions as unknown as Libc),
    errno: () => ffi.getInt32(errnoAt),
    loop: ffi.getCurrentEventLoop() as bigint,
    addressOf: (buffer) => ffi.getRawPointer(buffer) as bigint,
    // The handle is declared as a number that nobody reads: as a pointer it would be a bigint made for every call.
    pollCallback: (callback) =>
      lib.registerCallback(
        { arguments: ['i32', 'i32', 'i32'], return: 'void' },
        (_handle: number, status: number, events: number) => callback(status, events),
      ) as bigint,
    closeCallback: (callback) => lib.registerCallback({ arguments: [], return: 'void' }, callback) as bigint,
    releaseCallback: (callback) => lib.unregisterCallback(callback),
  }
}
