/** Whether a cache's memory is whole: every unit in one place, every living entry to be found, every count right. */
import assert from 'node:assert/strict'
import type { AnswerCache } from '../../src/cache/answer-cache.ts'
import {
  ENTRIES_WORD,
  FREE_COUNT_WORD,
  FREE_WORD,
  FRESH_WORD,
  HASH_OFFSET,
  IS_DEAD_OFFSET,
  LINK_MASK,
  LINK_OFFSET,
  LOCK_WORD,
  layoutOf,
  MAIN_COUNT_WORD,
  MAIN_HEAD_WORD,
  SHARE_AT,
  SHARE_WORDS,
  SMALL_COUNT_WORD,
  SMALL_HEAD_WORD,
  UNIT_WORDS,
} from '../../src/cache/layout.ts'

/** Nobody may be writing. Throws an AssertionError with what is wrong. */
export function auditCache(cache: AnswerCache): void {
  const layout = layoutOf(cache.policy, cache.handle.servers)
  const words = new Int32Array(cache.region)
  const bytes = new Uint8Array(cache.region)
  for (let shard = 0; shard < layout.shards; shard++) {
    const shardAt = layout.shardsAt + shard * layout.shardWords
    assert.equal(words[shardAt + LOCK_WORD], 0, 'no lock is left')
    const unitAt = (unit: number) => layout.unitsAt + (shard * layout.unitsPerShard + unit) * UNIT_WORDS
    const alive = new Set<number>()
    for (let share = 0; share < 2; share++) {
      const shareAt = shardAt + SHARE_AT + share * SHARE_WORDS
      const first = layout.firstUnit[share]!
      const fresh = words[shareAt + FRESH_WORD]!
      assert.ok(fresh <= layout.units[share]!, 'no unit beyond the share')
      const used = new Set<number>()
      const use = (unit: number, what: string) => {
        assert.ok(unit >= first && unit < first + fresh, `${what}: unit ${unit} is of another share`)
        assert.ok(!used.has(unit), `${what}: unit ${unit} is in two places`)
        used.add(unit)
      }
      const chain = (link: number, what: string) => {
        let length = 0
        for (let next = link; next !== 0; length++) {
          use(next - 1, what)
          next = words[unitAt(next - 1) + LINK_OFFSET / 4]! & LINK_MASK
        }
        return length
      }
      let entries = 0
      for (const [ringAt, headWord, countWord] of [
        [layout.smallAt[share]!, SMALL_HEAD_WORD, SMALL_COUNT_WORD],
        [layout.mainAt[share]!, MAIN_HEAD_WORD, MAIN_COUNT_WORD],
      ] as const) {
        const count = words[shareAt + countWord]!
        for (let i = 0; i < count; i++) {
          const at = (words[shareAt + headWord]! + i) % layout.entries[share]!
          const unit = words[shardAt + ringAt + at]!
          chain(unit + 1, 'entry')
          entries++
          assert.equal(words[unitAt(unit)]! & 1, 0, 'no version is left odd')
          if (bytes[unitAt(unit) * 4 + IS_DEAD_OFFSET] === 0) alive.add(unit)
        }
      }
      assert.equal(entries, words[shareAt + ENTRIES_WORD], 'entries in rings')
      assert.ok(entries <= layout.entries[share]!, 'no more entries than the share holds')
      assert.equal(chain(words[shareAt + FREE_WORD]!, 'free'), words[shareAt + FREE_COUNT_WORD], 'free units')
      assert.equal(used.size, fresh, 'no unit is lost')
    }
    auditIndex(words, layout, shardAt, unitAt, alive)
  }
}

function auditIndex(
  words: Int32Array,
  layout: ReturnType<typeof layoutOf>,
  shardAt: number,
  unitAt: (unit: number) => number,
  alive: ReadonlySet<number>,
): void {
  const found = new Set<number>()
  for (let position = 0; position <= layout.indexMask; position++) {
    const word = words[shardAt + layout.indexAt + position]!
    if (word === 0) continue
    const unit = (word & LINK_MASK) - 1
    assert.ok(alive.has(unit), `the index names unit ${unit}, which is no living entry`)
    assert.ok(!found.has(unit), `the index names unit ${unit} twice`)
    found.add(unit)
    const hash = words[unitAt(unit) + HASH_OFFSET / 4]!
    assert.equal(word >>> 24, hash >>> 24, 'tag')
    for (let at = (hash >>> 3) & layout.indexMask; at !== position; at = (at + 1) & layout.indexMask) {
      assert.notEqual(words[shardAt + layout.indexAt + at], 0, 'a gap before the entry hides it')
    }
  }
  assert.equal(found.size, alive.size, 'all living entries are in the index')
}
