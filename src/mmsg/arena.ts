/**
 * Memory that the kernel reads and writes: headers as recvmmsg and sendmmsg want them, laid out once, reused for every batch.
 *
 *   ReceiveArena   headers[count] ─► iovecs[count] ─► datagrams[count]
 *                      ├──────────► names[count]      the clients' addresses   ◄──┐
 *                      └──────────► controls[count]   the addresses asked      ◄──┤
 *   SendArena      headers[count] ─► iovecs[count] ─► replies, packed             │
 *                      └──────────────────────────────────────────────────────────┘ or names and controls of its own
 *
 * A reply that is ready at once borrows the name and control of the query it answers, so nothing about the way back is copied.
 * Replies are packed because their memory is then a few KiB that stay in the first cache, whatever size a reply may have.
 */
import { assert } from '../assert.ts'
import {
  CMSG_DATA,
  CMSG_LEN,
  CMSG_LEVEL,
  CMSG_TYPE,
  CONTROL4_SIZE,
  CONTROL6_SIZE,
  IOV_BASE,
  IOV_LEN,
  IOVEC_SIZE,
  IP_PKTINFO,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_PKTINFO,
  MMSGHDR_SIZE,
  MSG_CONTROL,
  MSG_CONTROLLEN,
  MSG_IOV,
  MSG_IOVLEN,
  MSG_NAME,
  MSG_NAMELEN,
  PKTINFO4_IFINDEX,
  PKTINFO4_SIZE,
  PKTINFO6_ADDRESS,
  PKTINFO6_IFINDEX,
  PKTINFO6_SIZE,
  SOCKADDR_IN6_SIZE,
} from './layout.ts'
import type { Libc } from './libc.ts'

/** Datagrams of one recvmmsg or sendmmsg call. */
export const BATCH = 64
/** Octets of the longest query taken. What a server offers in OPT is 4096 at most, so no client sends more; longer ones are counted. */
export const RECEIVE_SIZE_MAX = 4096
/** Octets of the largest reply that a handler may write: all that UDP can carry and more. */
export const REPLY_SIZE_MAX = 65535
/** Octets apart; the address is NAME_USED of them. */
const NAME_STRIDE = 32
/** Room for one control message of either family. */
const CONTROL_STRIDE = 64
/** Replies start at multiples of this. */
const REPLY_ALIGN = 16
assert(NAME_STRIDE >= SOCKADDR_IN6_SIZE && CONTROL_STRIDE >= CONTROL6_SIZE)

/** A buffer and its address, cut into 32-bit words: `high` is the same for every octet of it. */
export interface Memory {
  readonly buffer: ArrayBuffer
  readonly at: bigint
  readonly low: number
  readonly high: number
}

const WORD = 0x1_0000_0000n

/** Zeroed memory of `size` octets that doesn't straddle a 4 GiB border, so that pointers into it differ in the low word only. */
export function allocate(libc: Pick<Libc, 'addressOf'>, size: number): Memory {
  const refused: ArrayBuffer[] = []
  for (;;) {
    const buffer = new ArrayBuffer(size)
    const at = libc.addressOf(buffer)
    const low = Number(at % WORD)
    if (low + size <= 2 ** 32) return { buffer, at, low, high: Number(at / WORD) }
    refused.push(buffer)
    assert(refused.length < 16, 'memory straddles a 4 GiB border again and again')
  }
}

/** Where a batch of datagrams arrives. */
export class ReceiveArena {
  readonly headersAt: bigint
  readonly namesAt: number
  readonly controlsAt: number
  readonly memory: Memory
  readonly bytes: Uint8Array
  /** The whole arena as 32-bit words; indexes are octet offsets divided by 4. */
  readonly words: Int32Array
  readonly count: number
  readonly #dataAt: number
  readonly #stride: number
  readonly #controlSize: number

  /**
   * `withControl`: ask the kernel which address each datagram was sent to. Room for `count` datagrams of `size` octets, a multiple of
   * 64; what no datagram has reached is not committed.
   */
  constructor(libc: Libc, withControl: boolean, count = BATCH, size = RECEIVE_SIZE_MAX) {
    this.count = count
    // One cache line more than a power of two, so that the headers of a batch's messages don't all fall into the same cache set.
    this.#stride = size + 64
    const iovecsAt = count * MMSGHDR_SIZE
    this.namesAt = iovecsAt + count * IOVEC_SIZE
    this.controlsAt = this.namesAt + count * NAME_STRIDE
    this.#dataAt = this.controlsAt + count * CONTROL_STRIDE
    this.memory = allocate(libc, this.#dataAt + count * this.#stride)
    this.headersAt = this.memory.at
    this.bytes = new Uint8Array(this.memory.buffer)
    this.words = new Int32Array(this.memory.buffer)
    this.#controlSize = withControl ? CONTROL_STRIDE : 0
    const view = new DataView(this.memory.buffer)
    const { at } = this.memory
    for (let i = 0; i < count; i++) {
      const header = i * MMSGHDR_SIZE
      const iovec = iovecsAt + i * IOVEC_SIZE
      view.setBigUint64(header + MSG_NAME, at + BigInt(this.nameOf(i)), true)
      view.setBigUint64(header + MSG_IOV, at + BigInt(iovec), true)
      view.setBigUint64(header + MSG_IOVLEN, 1n, true)
      view.setBigUint64(header + MSG_CONTROL, at + BigInt(this.controlOf(i)), true)
      view.setBigUint64(iovec + IOV_BASE, at + BigInt(this.dataOf(i)), true)
      view.setBigUint64(iovec + IOV_LEN, BigInt(size), true)
      this.reset(i)
    }
  }

  /** Offset of datagram i's client address in `bytes`: a sockaddr. */
  nameOf(i: number): number {
    return this.namesAt + i * NAME_STRIDE
  }

  controlOf(i: number): number {
    return this.controlsAt + i * CONTROL_STRIDE
  }

  dataOf(i: number): number {
    return this.#dataAt + i * this.#stride
  }

  /** Makes header i ready for another datagram: the kernel wrote what it used over what it was given. */
  reset(i: number): void {
    const header = (i * MMSGHDR_SIZE) >> 2
    this.words[header + (MSG_NAMELEN >> 2)] = SOCKADDR_IN6_SIZE
    this.words[header + (MSG_CONTROLLEN >> 2)] = this.#controlSize
  }

  /**
   * Turns the control message of datagram i, which says where the datagram was sent, into the one that makes a reply leave from
   * there. Returns the octets to send it with; 0 when there is none, or when a reply cannot leave from there (a multicast address).
   */
  returnControl(i: number): number {
    return returnControl(this.words, this.controlOf(i), this.words[((i * MMSGHDR_SIZE) >> 2) + (MSG_CONTROLLEN >> 2)]!)
  }
}

function returnControl(words: Int32Array, at: number, size: number): number {
  const word = at >> 2
  if (size >= CONTROL4_SIZE && words[word + (CMSG_LEVEL >> 2)] === IPPROTO_IP) {
    if (words[word + (CMSG_TYPE >> 2)] !== IP_PKTINFO || words[word] !== CMSG_DATA + PKTINFO4_SIZE) return 0
    // Naming the interface would bypass the routing table: the way back need not be the way it came.
    words[word + ((CMSG_DATA + PKTINFO4_IFINDEX) >> 2)] = 0
    return CONTROL4_SIZE
  }
  if (size >= CONTROL6_SIZE && words[word + (CMSG_LEVEL >> 2)] === IPPROTO_IPV6) {
    if (words[word + (CMSG_TYPE >> 2)] !== IPV6_PKTINFO || words[word + (CMSG_LEN >> 2)] !== CMSG_DATA + PKTINFO6_SIZE)
      return 0
    // The first two octets, read as a little-endian word: fe80::/10 needs its interface, ff00::/8 is no source.
    const first = words[word + ((CMSG_DATA + PKTINFO6_ADDRESS) >> 2)]!
    if ((first & 0xff) === 0xff) return 0
    if ((first & 0xc0ff) !== 0x80fe) words[word + ((CMSG_DATA + PKTINFO6_IFINDEX) >> 2)] = 0
    return CONTROL6_SIZE
  }
  return 0
}

/** Replies that wait for sendmmsg. */
export class SendArena {
  readonly memory: Memory
  readonly bytes: Uint8Array
  readonly words: Int32Array
  readonly capacity: number
  /** Messages put and not sent yet are `first` up to `count`. */
  first = 0
  count = 0
  /** Where the next reply goes in `bytes`; REPLY_SIZE_MAX octets are free there as long as `isFull` is false. */
  end: number
  /** Address of header i: made once, so that sending on from the middle of a batch allocates no bigint. */
  readonly headerAt: readonly bigint[]
  readonly #iovecsAt: number
  readonly #repliesAt: number
  readonly #repliesMax: number
  readonly #nameLow: number
  readonly #controlLow: number
  readonly #lender: ReceiveArena | undefined
  /** With a lender: the datagram whose name and control header i points to. */
  readonly #points: Int32Array

  /**
   * `capacity` messages, `replySize` octets on average. With `lender`, messages borrow its names and controls; without, they have
   * their own (`nameOf`, `controlOf`).
   */
  constructor(libc: Libc, capacity: number, replySize: number, lender?: ReceiveArena) {
    this.capacity = capacity
    this.#lender = lender
    this.#iovecsAt = capacity * MMSGHDR_SIZE
    const namesAt = this.#iovecsAt + capacity * IOVEC_SIZE
    const controlsAt = namesAt + (lender === undefined ? capacity * NAME_STRIDE : 0)
    this.#repliesAt = controlsAt + (lender === undefined ? capacity * CONTROL_STRIDE : 0)
    const size = this.#repliesAt + capacity * replySize + REPLY_SIZE_MAX + REPLY_ALIGN
    this.memory = allocate(libc, size)
    this.bytes = new Uint8Array(this.memory.buffer)
    this.words = new Int32Array(this.memory.buffer, 0, size >> 2)
    this.#repliesMax = size - REPLY_SIZE_MAX
    this.end = this.#repliesAt
    const from = lender === undefined ? this.memory : lender.memory
    this.#nameLow = from.low + (lender === undefined ? namesAt : lender.namesAt)
    this.#controlLow = from.low + (lender === undefined ? controlsAt : lender.controlsAt)
    this.#points = new Int32Array(capacity)
    const view = new DataView(this.memory.buffer)
    const headerAt: bigint[] = []
    for (let i = 0; i < capacity; i++) {
      const header = i * MMSGHDR_SIZE
      headerAt.push(this.memory.at + BigInt(header))
      view.setUint32(header + MSG_NAME + 4, from.high, true)
      view.setBigUint64(header + MSG_IOV, this.memory.at + BigInt(this.#iovecsAt + i * IOVEC_SIZE), true)
      view.setBigUint64(header + MSG_IOVLEN, 1n, true)
      view.setUint32(header + MSG_CONTROL + 4, from.high, true)
      view.setUint32(this.#iovecsAt + i * IOVEC_SIZE + IOV_BASE + 4, this.memory.high, true)
      this.#point(i, i)
    }
    this.headerAt = headerAt
  }

  get isEmpty(): boolean {
    return this.first === this.count
  }

  get isFull(): boolean {
    return this.count === this.capacity || this.end > this.#repliesMax
  }

  /** Without a lender: where message i's address is written. */
  nameOf(i: number): number {
    return (this.#nameLow - this.memory.low + i * NAME_STRIDE) | 0
  }

  controlOf(i: number): number {
    return (this.#controlLow - this.memory.low + i * CONTROL_STRIDE) | 0
  }

  /** Queues the `length` octets at `end` for the client of the lender's datagram i. */
  putBorrowed(i: number, length: number, nameSize: number, controlSize: number): void {
    if (this.#points[this.count] !== i) this.#point(this.count, i)
    this.put(length, nameSize, controlSize)
  }

  /** Queues the `length` octets at `end`. Without a lender, name and control of message `count` were written before. */
  put(length: number, nameSize: number, controlSize: number): void {
    const { words, count } = this
    const header = (count * MMSGHDR_SIZE) >> 2
    const iovec = (this.#iovecsAt + count * IOVEC_SIZE) >> 2
    words[header + (MSG_NAMELEN >> 2)] = nameSize
    words[header + (MSG_CONTROLLEN >> 2)] = controlSize
    words[iovec + (IOV_BASE >> 2)] = this.memory.low + this.end
    words[iovec + (IOV_LEN >> 2)] = length
    this.end = (this.end + length + REPLY_ALIGN - 1) & -REPLY_ALIGN
    this.count = count + 1
  }

  /** Forgets all messages. */
  clear(): void {
    this.first = 0
    this.count = 0
    this.end = this.#repliesAt
  }

  #point(i: number, to: number): void {
    assert(this.#lender === undefined ? i === to : to < this.#lender.count)
    this.#points[i] = to
    const header = (i * MMSGHDR_SIZE) >> 2
    this.words[header + (MSG_NAME >> 2)] = this.#nameLow + to * NAME_STRIDE
    this.words[header + (MSG_CONTROL >> 2)] = this.#controlLow + to * CONTROL_STRIDE
  }
}
