import assert from 'node:assert/strict'
import test from 'node:test'
import { JsonLines } from '../../src/sources/kubernetes/api/json-lines.ts'
import { JsonList, type ListHead, OBJECT_SIZE_MAX } from '../../src/sources/kubernetes/api/json-list.ts'
import { printedSeed, seededRandom } from '../support/seeded-random.ts'

const LISTS: readonly unknown[] = [
  { kind: 'List', metadata: { resourceVersion: '7', continue: 'x' }, items: [] },
  { kind: 'List', items: [{ a: 1 }, { b: { c: [1, [2, { items: [3] }]] } }, {}], metadata: { resourceVersion: '8' } },
  { items: [{ text: 'brackets ]}[{ and "quotes" \\ and "items":[', items: ['x'] }], metadata: {} },
  { metadata: { items: [{ not: 'these' }] }, itemsList: [{ nor: 'these' }], items: [{ é: '日本\u0000\\"' }] },
  { metadata: {} },
]

function readList(text: string, cuts: readonly number[]): { readonly head: ListHead; readonly items: unknown[] } {
  const bytes = Buffer.from(text)
  const items: unknown[] = []
  const list = new JsonList((item) => items.push(item))
  let from = 0
  for (const cut of [...cuts, bytes.length]) {
    list.push(bytes.subarray(from, cut))
    from = cut
  }
  return { head: list.end(), items }
}

for (const [index, list] of LISTS.entries()) {
  test(`list ${index}: cut at every octet, with and without blanks`, () => {
    const { items = [], ...head } = list as { items?: unknown[] }
    const wanted = { head: { ...head, ...('items' in (list as object) ? { items: [] } : {}) }, items }
    for (const text of [JSON.stringify(list), JSON.stringify(list, undefined, 2)]) {
      const size = Buffer.byteLength(text)
      for (let cut = 0; cut <= size; cut++) assert.deepEqual(readList(text, [cut]), wanted, `cut at ${cut}`)
      assert.deepEqual(
        readList(
          text,
          Array.from({ length: size }, (_, i) => i),
        ),
        wanted,
      )
    }
  })
}

test('what is no list', () => {
  for (const text of ['', '{', '{"items":[', '{"items":[{]}', ']', '}', '{"items":[{"a":x}]}', '<html>']) {
    assert.throws(() => readList(text, []), SyntaxError, text)
  }
})

test('an item that is too large', () => {
  const list = new JsonList(() => {})
  list.push(Buffer.from('{"items":[{"a":"'))
  const part = Buffer.alloc(1 << 20, 'x')
  assert.throws(() => {
    for (let size = 0; size <= OBJECT_SIZE_MAX; size += part.length) list.push(part)
  }, RangeError)
})

test('random octets do nothing but throw', () => {
  const random = seededRandom(printedSeed())
  const alphabet = Buffer.from('{}[]",:\\ia1 items')
  for (let round = 0; round < 2000; round++) {
    const bytes = Buffer.from(Array.from({ length: random.below(60) }, () => alphabet[random.below(alphabet.length)]!))
    const list = new JsonList(() => {})
    try {
      list.push(bytes)
      list.end()
    } catch (error) {
      assert.ok(error instanceof SyntaxError, String(error))
    }
  }
})

test('lines: cut at every octet', () => {
  const events = [{ type: 'ADDED', object: { name: 'é\n' } }, { type: 'BOOKMARK' }]
  const bytes = Buffer.from(`${events.map((event) => JSON.stringify(event)).join('\n')}\n\n`)
  for (let cut = 0; cut <= bytes.length; cut++) {
    const seen: unknown[] = []
    const lines = new JsonLines((line) => seen.push(line))
    lines.push(bytes.subarray(0, cut))
    lines.push(bytes.subarray(cut))
    assert.deepEqual(seen, events)
  }
})

test('lines: no JSON, and a line that is too long', () => {
  const lines = new JsonLines(() => {})
  assert.throws(() => lines.push(Buffer.from('nothing\n')), SyntaxError)
  const endless = new JsonLines(() => {})
  const part = Buffer.alloc(1 << 20, 'x')
  assert.throws(() => {
    for (let size = 0; size <= OBJECT_SIZE_MAX; size += part.length) endless.push(part)
  }, RangeError)
})
