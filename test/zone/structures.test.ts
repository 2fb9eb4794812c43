/** The structures below the store, each against the obvious: allocator, hash trie, order tree, keys, hashes. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { textToName } from '../../src/wire/name.ts'
import { Allocator, StoreFullError } from '../../src/zone/allocator.ts'
import { Draft } from '../../src/zone/draft.ts'
import { findLeaf, LEAF_COUNT_MASK, trieInsert, trieRemove, trieReplace, trieValues } from '../../src/zone/hash-trie.ts'
import { hashSuffixes } from '../../src/zone/name-hash.ts'
import {
  copyRdata,
  equalOctets,
  packOctets,
  rdataOctet,
  rdataWords,
  storeRdata,
  unpackOctets,
} from '../../src/zone/node.ts'
import { Nsec3Hasher } from '../../src/zone/nsec3-hash.ts'
import { OffsetSet } from '../../src/zone/offset-set.ts'
import {
  newOrderKey,
  ORDER_KEY_WORDS_MAX,
  readNsec3Label,
  readOrderKey,
  writeOrderKey,
} from '../../src/zone/order-key.ts'
import {
  isKey,
  orderFloor,
  orderInsert,
  orderKeys,
  orderLast,
  orderPages,
  orderRemove,
} from '../../src/zone/order-tree.ts'
import {
  AT_CHUNKS_USED,
  AT_WORDS_USED,
  CHUNK_WORDS,
  createRegion,
  openRegion,
  REGION_BYTES_MIN,
} from '../../src/zone/region.ts'
import { Random, SEED } from '../support/random.ts'
import { randomName } from '../support/random-zone.ts'
import { canonicalOrder, labelsOf, nsec3Label } from '../support/zone-model.ts'

function memory(bytes = 2 ** 24): { words: Int32Array; allocator: Allocator } {
  const words = openRegion(createRegion(bytes))
  return { words, allocator: new Allocator(words) }
}

test('a region is a power of two, at least REGION_BYTES_MIN, at most what was asked for', () => {
  assert.equal(createRegion(5 * 2 ** 20).byteLength, 4 * 2 ** 20)
  assert.equal(createRegion(1).byteLength, REGION_BYTES_MIN)
})

test(`blocks never overlap, are as large as asked, and all come back (SEED=${SEED})`, () => {
  const random = new Random(SEED)
  const { words, allocator } = memory(2 ** 25)
  const blocks: { at: number; size: number; mark: number }[] = []
  for (let round = 0; round < 20_000; round++) {
    if (random.below(100) < 55) {
      const size =
        random.below(50) === 0 ? 1 + random.below(60_000) : 1 + random.below(random.below(10) === 0 ? 5000 : 100)
      let at: number
      try {
        at = allocator.allocate(size)
      } catch (error) {
        assert.ok(error instanceof StoreFullError)
        for (const block of blocks.splice(0, blocks.length >>> 1)) allocator.free(block.at)
        continue
      }
      assert.ok(allocator.sizeOf(at) >= size)
      const mark = random.next() | 0
      words[at] = mark
      words[at + size - 1] = mark
      blocks.push({ at, size, mark })
    } else if (blocks.length > 0) {
      const index = random.below(blocks.length)
      const block = blocks[index]!
      blocks[index] = blocks.at(-1)!
      blocks.pop()
      assert.equal(words[block.at], block.mark)
      assert.equal(words[block.at + block.size - 1], block.mark)
      allocator.free(block.at)
    }
  }
  for (const block of blocks) {
    assert.equal(words[block.at], block.mark)
    allocator.free(block.at)
  }
  assert.equal(words[AT_WORDS_USED], 0)
  // All chunks are free for any use again.
  const used = words[AT_CHUNKS_USED]!
  const large = allocator.allocate(CHUNK_WORDS * 3)
  assert.equal(words[AT_CHUNKS_USED], used)
  allocator.free(large)
  assert.throws(() => {
    const block = allocator.allocate(4)
    allocator.free(block)
    allocator.free(block)
  }, /freed twice/)
})

for (const [title, hashOf] of [
  ['spread hashes', (value: number) => Math.imul(value, 0x9e3779b1) ^ (value >>> 3)],
  ['hashes that agree in their high bits', (value: number) => value & 0xff],
  ['hashes that are all the same but a few', (value: number) => (value % 37 === 0 ? value << 8 : 42)],
] as const) {
  test(`the hash trie is a map, and old roots stay as they were: ${title} (SEED=${SEED})`, () => {
    const random = new Random(SEED)
    const { words, allocator } = memory()
    const isFull = title.includes('same')
    let root = 0
    const entries = new Set<number>()
    const check = (at: number, of: Set<number>) => {
      assert.deepEqual(
        [...trieValues(words, at)].sort((a, b) => a - b),
        [...of].sort((a, b) => a - b),
      )
      for (const value of [...of].slice(0, 50)) {
        const leaf = findLeaf(words, at, hashOf(value), words.length - 1)
        let found = false
        for (let i = 0; i < (words[leaf]! & LEAF_COUNT_MASK); i++) if (words[leaf + 2 + 2 * i] === value) found = true
        assert.ok(found)
      }
    }
    for (let round = 0; round < 60; round++) {
      const draft = new Draft(words, allocator, false)
      const oldRoot = root
      const old = new Set(entries)
      const grows = round % 20 < 12
      for (let i = 0; i < 60; i++) {
        const present = [...entries]
        if ((grows ? random.below(4) > 0 : random.below(4) === 0) && !(isFull && entries.size > 200)) {
          const value = 1 + random.below(1e6)
          if (entries.has(value)) continue
          root = trieInsert(draft, root, hashOf(value), value)
          entries.add(value)
        } else if (present.length > 0) {
          const value = random.of(present)
          if (random.below(3) === 0) {
            root = trieReplace(draft, root, hashOf(value), value, value)
            continue
          }
          root = trieRemove(draft, root, hashOf(value), value)
          entries.delete(value)
        }
      }
      check(oldRoot, old)
      check(root, entries)
      for (const block of draft.retired) allocator.free(block)
    }
    const draft = new Draft(words, allocator, false)
    for (const value of entries) root = trieRemove(draft, root, hashOf(value), value)
    assert.equal(root, 0)
    for (const block of draft.retired) allocator.free(block)
    assert.equal(words[AT_WORDS_USED], 0)
  })
}

/** Labels of `name` below the root, as the store keeps them. */
function labelStarts(name: string): { octets: Uint8Array; labels: Uint8Array; count: number } {
  const octets = Uint8Array.from(Buffer.from(name, 'latin1'))
  const labels = new Uint8Array(130)
  let count = 0
  for (let at = 0; octets[at] !== 0; at += octets[at]! + 1) labels[count++] = at
  labels[count] = octets.length - 1
  return { octets, labels, count }
}

test(`order keys sort as RFC 4034 6.1 says, and turn back into their names (SEED=${SEED})`, () => {
  const random = new Random(SEED)
  const { words } = memory()
  const names = Array.from({ length: 500 }, () => randomName(random, '\0', 6))
  // The RFC's own example, with octets that an end of a label may be confused with.
  names.push(
    '\x01\0\x01a\0',
    '\x01\x01\x01a\0',
    '\x01\x02\x01a\0',
    '\x02a\0\x01a\0',
    '\x01a\x01a\0',
    `${'\x3f'.padEnd(64, '\xff')}\0`,
    '\0',
  )
  names.push(`${'\x01\0'.repeat(127)}\0`, `${'\x01\x01'.repeat(127)}\0`)
  const keys = names.map((name) => {
    const { octets, labels, count } = labelStarts(name)
    const key = new Int32Array(ORDER_KEY_WORDS_MAX)
    const length = writeOrderKey(octets, labels, 0, count, key)
    words[70_000] = length
    words.set(key.subarray(0, length), 70_001)
    const back = new Uint8Array(512)
    const size = readOrderKey(words, 70_000, back, new Uint8Array(128))
    assert.equal(Buffer.from(back.subarray(0, size)).toString('latin1'), name.slice(0, -1))
    return Buffer.from(
      Uint8Array.from([...key.subarray(0, length)].flatMap((word) => [word >>> 24, word >>> 16, word >>> 8, word])),
    )
  })
  for (let i = 0; i < 20_000; i++) {
    const a = random.below(names.length)
    const b = random.below(names.length)
    assert.equal(
      Math.sign(Buffer.compare(keys[a]!, keys[b]!)),
      Math.sign(canonicalOrder(names[a]!, names[b]!)),
      `${JSON.stringify(names[a])} ${JSON.stringify(names[b])}`,
    )
  }
})

test(`the order tree finds the entry at or before, and old roots stay as they were (SEED=${SEED})`, () => {
  const random = new Random(SEED)
  const { words, allocator } = memory()
  const mask = words.length - 1
  let root = 0
  const names = new Map<string, number>()
  const key = new Int32Array(ORDER_KEY_WORDS_MAX)
  const read = (at: number) =>
    [...orderKeys(words, at)].map((block) => {
      const back = new Uint8Array(512)
      return `${Buffer.from(back.subarray(0, readOrderKey(words, block, back, new Uint8Array(128)))).toString('latin1')}\0`
    })
  for (let round = 0; round < 40; round++) {
    const draft = new Draft(words, allocator, false)
    const oldRoot = root
    const old = [...names.keys()].sort(canonicalOrder)
    const removals: number[] = []
    for (let i = 0; i < 100; i++) {
      const name = randomName(random, '\0', 3)
      const { octets, labels, count } = labelStarts(name)
      if (names.has(name)) {
        if (round % 10 < 6 && random.below(3) > 0) continue
        const removed = orderRemove(draft, root, names.get(name)!)
        root = removed.root
        assert.equal(removed.old, names.get(name))
        removals.push(removed.old)
        names.delete(name)
      } else if (round % 10 < 7) {
        const block = newOrderKey(draft, octets, labels, count)
        root = orderInsert(draft, root, block)
        names.set(name, block)
      }
    }
    const sorted = [...names.keys()].sort(canonicalOrder)
    assert.deepEqual(read(root), sorted)
    assert.deepEqual(read(oldRoot), old)
    for (let i = 0; i < 100; i++) {
      const name = randomName(random, '\0', 4)
      const { octets, labels, count } = labelStarts(name)
      const length = writeOrderKey(octets, labels, 0, count, key)
      const floor = orderFloor(words, root, mask, key, length)
      const want = sorted.filter((other) => canonicalOrder(other, name) <= 0).at(-1)
      assert.equal(floor, want === undefined ? 0 : names.get(want))
      assert.equal(floor !== 0 && isKey(words, floor, key, length), names.has(name))
    }
    assert.equal(orderLast(words, root, mask), sorted.length === 0 ? 0 : names.get(sorted.at(-1)!))
    for (const block of removals) draft.release(block)
    for (const block of draft.retired) allocator.free(block)
  }
  const pages = [...orderPages(words, root)]
  for (const block of names.values()) allocator.free(block)
  for (const page of pages) allocator.free(page)
  assert.equal(words[AT_WORDS_USED], 0)
})

test('names in order fill the pages of the tree', () => {
  const { words, allocator } = memory()
  const draft = new Draft(words, allocator, true)
  let root = 0
  for (let i = 0; i < 5000; i++) {
    const { octets, labels, count } = labelStarts(`\x05${String(i).padStart(5, '0')}\0`)
    root = orderInsert(draft, root, newOrderKey(draft, octets, labels, count))
  }
  assert.ok([...orderPages(words, root)].length < 5000 / 28)
})

test(`garbage instead of a trie, a tree or a key ends, and reads nothing outside (SEED=${SEED})`, () => {
  const random = new Random(SEED)
  const { words } = memory(2 ** 20)
  for (let i = 1000; i < words.length; i++) words[i] = random.below(3) === 0 ? 0 : random.next()
  const mask = words.length - 1
  const key = new Int32Array(ORDER_KEY_WORDS_MAX)
  for (let i = 0; i < 20_000; i++) {
    const root = random.next() | 0
    key[0] = random.next()
    const leaf = findLeaf(words, root, random.next() | 0, mask)
    assert.ok(leaf >= 0 && leaf <= mask)
    for (const found of [orderFloor(words, root, mask, key, 1 + random.below(100)), orderLast(words, root, mask)]) {
      assert.ok(found >= 0 && found <= mask)
    }
    const size = readOrderKey(words, root & mask, new Uint8Array(512), new Uint8Array(128))
    assert.ok(size >= 0 && size <= 255)
  }
})

test('RFC 5155 appendix A: hashes of its example zone', () => {
  const hasher = new Nsec3Hasher()
  hasher.iterations = 12
  hasher.saltLength = 4
  hasher.salt.set(Buffer.from('aabbccdd', 'hex'))
  for (const [name, label] of [
    ['example.', '0p9mhaveqvm6t7vbl5lop2u3t2rp3tom'],
    ['a.example.', '35mthgpgcu1qg68fab165klnsnk3dpvl'],
    ['ai.example.', 'gjeqe526plbf1g8mklp59enfd789njgi'],
    ['ns1.example.', '2t7b4g4vsa5smi47k61mv5bv1a22bojr'],
    ['*.w.example.', 'r53bq7cc2uvmubfu5ocmm6pers9tk9en'],
    ['x.y.w.example.', '2vptu5timamqttgl4luu9kg21e0aor3s'],
  ]) {
    const wire = textToName(name!)
    hasher.hashName(wire, 0, wire.length)
    const decoded = new Int32Array(5)
    assert.ok(readNsec3Label(Buffer.from(` ${label}`, 'latin1'), decoded))
    assert.deepEqual(hasher.hash, decoded)
  }
})

test(`the hash is SHA-1 for names and salts of every length (SEED=${SEED})`, () => {
  const random = new Random(SEED)
  const hasher = new Nsec3Hasher()
  for (let length = 1; length <= 255; length += 1 + random.below(3)) {
    const name = random.bytes(length)
    const salt = random.bytes(random.below(4) === 0 ? 255 : random.below(64))
    hasher.iterations = random.below(4)
    hasher.saltLength = salt.length
    hasher.salt.set(salt)
    hasher.hashName(Buffer.concat([new Uint8Array(3), name]), 3, length)
    const words = new Int32Array(5)
    assert.ok(
      readNsec3Label(
        Buffer.from(
          ` ${nsec3Label(Buffer.from(name).toString('latin1'), hasher.iterations, Buffer.from(salt))}`,
          'latin1',
        ),
        words,
      ),
    )
    assert.deepEqual(hasher.hash, words)
  }
  assert.equal(createHash('sha1').update('').digest('hex').length, 40)
})

test('only 32 characters of base32hex are the label of an NSEC3', () => {
  const hash = new Int32Array(5)
  assert.equal(readNsec3Label(Buffer.from(` ${'0'.repeat(32)}`), hash), true)
  assert.equal(readNsec3Label(Buffer.from(` ${'v'.repeat(32)}`), hash), true)
  assert.deepEqual([...hash], [-1, -1, -1, -1, -1])
  for (const label of [`\x1f${'0'.repeat(31)}`, ` ${'0'.repeat(31)}w`, ` ${'0'.repeat(31)}V`, ` ${'0'.repeat(31)}-`]) {
    assert.equal(readNsec3Label(Buffer.from(label, 'latin1'), hash), false)
  }
})

test(`octets and rdata pack and unpack at every length (SEED=${SEED})`, () => {
  const random = new Random(SEED)
  const words = new Int32Array(200)
  for (let length = 0; length < 300; length++) {
    const octets = random.bytes(length + 9)
    packOctets(words, 3, octets, 5, length)
    const back = new Uint8Array(length)
    unpackOctets(words, 3, length, back, 0)
    assert.deepEqual(back, octets.slice(5, 5 + length))
    assert.ok(equalOctets(words, 3, octets, 5, length))
    if (length > 0) {
      octets[5 + random.below(length)]! ^= 1 << random.below(8)
      assert.ok(!equalOctets(words, 3, octets, 5, length))
    }
    const end = storeRdata(words, 1, octets, 2, length)
    assert.equal(end, 1 + rdataWords(length))
    const rdata = new Uint8Array(length + 2)
    copyRdata(words, 1, length, rdata, 1)
    assert.deepEqual(rdata.slice(1, 1 + length), octets.slice(2, 2 + length))
    assert.equal(rdata[0]! + rdata[length + 1]!, 0, 'nothing beside it is written')
    for (let i = 0; i < length; i += 7) assert.equal(rdataOctet(words, 1, i), octets[2 + i])
  }
})

test('suffix hashes: the same suffix has the same hash, other names others', () => {
  const hashes = (name: string, seed: number) => {
    const { octets, labels, count } = labelStarts(name)
    const result = new Int32Array(count + 1)
    hashSuffixes(octets, labels, count, result, seed, 0x2545f491)
    return [...result]
  }
  const www = hashes('\x03www\x07example\x03org\0', 5)
  const mail = hashes('\x04mail\x07example\x03org\0', 5)
  assert.deepEqual(www.slice(1), mail.slice(1))
  const all = new Set<number>()
  let count = 0
  for (let i = 0; i < 20_000; i++) {
    const label = `h${i}`
    all.add(hashes(`${String.fromCharCode(label.length)}${label}\x07example\0`, 5)[0]!)
    count++
  }
  assert.ok(count - all.size < 4, `${count - all.size} of ${count} collide`)
  assert.notEqual(www[0], hashes('\x03www\x07example\x03org\0', 6)[0])
  assert.equal(labelsOf('\x03www\0').length, 1)
})

test('a set of offsets tells new from known, and empties at once', () => {
  const set = new OffsetSet(64)
  for (let round = 0; round < 3; round++) {
    set.clear()
    for (let i = 1; i <= 20; i++) assert.equal(set.add(i * 4), true)
    for (let i = 1; i <= 20; i++) assert.equal(set.add(i * 4), false)
  }
})
