import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allocate, BATCH, RECEIVE_SIZE_MAX, REPLY_SIZE_MAX, ReceiveArena, SendArena } from '../../src/mmsg/arena.ts'
import { CMSG_DATA, CONTROL4_SIZE, CONTROL6_SIZE, MMSGHDR_SIZE, MSG_CONTROLLEN } from '../../src/mmsg/layout.ts'
import type { Libc } from '../../src/mmsg/libc.ts'

/** Buffers get addresses one after the other, from 64 KiB below a 4 GiB border up. */
function fakeMemory(): Libc {
  const addresses = new Map<ArrayBuffer, bigint>()
  let next = 0x7_ffff_0000n
  return {
    addressOf: (buffer: ArrayBuffer) => {
      if (!addresses.has(buffer)) {
        addresses.set(buffer, next)
        next += BigInt(buffer.byteLength)
      }
      return addresses.get(buffer)!
    },
  } as Libc
}

const pointer = (buffer: ArrayBuffer, at: number) => new DataView(buffer).getBigUint64(at, true)

test('memory never straddles a 4 GiB border', () => {
  const { at, low, high, buffer } = allocate(fakeMemory(), 0x20000)
  assert.equal(BigInt(high) * 2n ** 32n + BigInt(low), at)
  assert.equal(at >> 32n, (at + BigInt(buffer.byteLength) - 1n) >> 32n)
})

test('a receive arena points to its own names, controls and data, which do not overlap', () => {
  const arena = new ReceiveArena(fakeMemory(), true)
  const { at, buffer } = arena.memory
  for (let i = 0; i < BATCH; i++) {
    const header = i * MMSGHDR_SIZE
    assert.equal(pointer(buffer, header), at + BigInt(arena.nameOf(i)))
    assert.equal(pointer(buffer, header + 32), at + BigInt(arena.controlOf(i)))
    const iovec = Number(pointer(buffer, header + 16) - at)
    assert.equal(pointer(buffer, iovec), at + BigInt(arena.dataOf(i)))
    assert.equal(pointer(buffer, iovec + 8), BigInt(RECEIVE_SIZE_MAX))
    if (i > 0) assert(arena.dataOf(i) >= arena.dataOf(i - 1) + RECEIVE_SIZE_MAX)
  }
  assert(arena.nameOf(BATCH) <= arena.controlOf(0) && arena.controlOf(BATCH) <= arena.dataOf(0))
  assert(arena.dataOf(BATCH - 1) + RECEIVE_SIZE_MAX <= buffer.byteLength)
})

test('a send arena packs replies, borrows addresses, and says when it is full', () => {
  const libc = fakeMemory()
  const lender = new ReceiveArena(libc, false)
  const arena = new SendArena(libc, 4, 512, lender)
  const { buffer, at } = arena.memory
  const sizes = [100, 17, 1]
  let end = arena.end
  for (const [i, size] of sizes.entries()) {
    assert(!arena.isFull)
    assert.equal(arena.end, end)
    // Datagrams 0 and 2 of the batch got no reply.
    arena.putBorrowed(i * 2 + 1, size, 16, 0)
    const header = i * MMSGHDR_SIZE
    assert.equal(arena.headerAt[i], at + BigInt(header))
    assert.equal(pointer(buffer, header), lender.memory.at + BigInt(lender.nameOf(i * 2 + 1)))
    const iovec = Number(pointer(buffer, header + 16) - at)
    assert.equal(pointer(buffer, iovec), at + BigInt(end))
    assert.equal(pointer(buffer, iovec + 8), BigInt(size))
    end = Math.ceil((end + size) / 16) * 16
  }
  arena.putBorrowed(0, 1, 16, 0)
  assert(arena.isFull)
  arena.clear()
  assert(arena.isEmpty && !arena.isFull)
  arena.putBorrowed(3, REPLY_SIZE_MAX, 16, 0)
  assert(arena.end <= buffer.byteLength)
  assert(arena.isFull || arena.end + REPLY_SIZE_MAX <= buffer.byteLength)
})

test('a send arena of its own keeps names and controls apart from headers and replies', () => {
  const arena = new SendArena(fakeMemory(), 8, 512)
  const { buffer, at } = arena.memory
  for (let i = 0; i < 8; i++) {
    assert.equal(pointer(buffer, i * MMSGHDR_SIZE), at + BigInt(arena.nameOf(i)))
    assert.equal(pointer(buffer, i * MMSGHDR_SIZE + 32), at + BigInt(arena.controlOf(i)))
  }
  assert(arena.nameOf(8) <= arena.controlOf(0) && arena.controlOf(8) <= arena.end)
})

const asked = (length: number, level: number, type: number, data: string) => {
  const header = Buffer.alloc(CMSG_DATA)
  header.writeUInt32LE(length, 0)
  header.writeUInt32LE(level, 8)
  header.writeUInt32LE(type, 12)
  return Buffer.concat([header, Buffer.from(data, 'hex')])
}
const ipv6 = (address: string, index = '05000000') => asked(36, 41, 50, address + index)
const documentation = '20010db8000000000000000000000001'
const mapped = '00000000000000000000ffffc0000201'
const linkLocal = 'febf0000000000000000000000000001'
const cases = [
  {
    title: "IPv4: the source is kept, the interface is the routing table's choice",
    control: asked(28, 0, 8, '05000000' + 'c0000201' + 'c00002ff'),
    size: CONTROL4_SIZE,
    data: '00000000' + 'c0000201' + 'c00002ff',
  },
  { title: 'IPv6: likewise', control: ipv6(documentation), size: CONTROL6_SIZE, data: `${documentation}00000000` },
  { title: 'IPv4 on an IPv6 socket: likewise', control: ipv6(mapped), size: CONTROL6_SIZE, data: `${mapped}00000000` },
  {
    title: 'a link-local address means nothing without its interface',
    control: ipv6(linkLocal),
    size: CONTROL6_SIZE,
    data: `${linkLocal}05000000`,
  },
  { title: 'a multicast address is no source', control: ipv6('ff020000000000000000000000000001'), size: 0 },
  { title: 'nothing was told', control: Buffer.alloc(0), size: 0 },
  { title: 'another type', control: asked(28, 0, 2, '050000000000000000000000'), size: 0 },
  { title: 'another level', control: asked(28, 1, 8, '050000000000000000000000'), size: 0 },
  { title: 'cut short', control: asked(24, 0, 8, '0500000000000000'), size: 0 },
]
for (const { title, control, size, data } of cases) {
  test(`way back: ${title}`, () => {
    const arena = new ReceiveArena(fakeMemory(), true)
    for (const i of [0, BATCH - 1]) {
      arena.bytes.set(control, arena.controlOf(i))
      arena.words[(i * MMSGHDR_SIZE + MSG_CONTROLLEN) >> 2] = (control.length + 7) & ~7
      assert.equal(arena.returnControl(i), size)
      if (data === undefined) continue
      const at = arena.controlOf(i) + CMSG_DATA
      assert.equal(Buffer.from(arena.bytes.subarray(at, at + data.length / 2)).toString('hex'), data)
    }
  })
}
