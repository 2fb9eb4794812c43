import { lstatSync, readdirSync } from 'node:fs'
import { join, parse, sep } from 'node:path'

/** Directory entries that one pattern may look at. */
const ENTRIES_MAX = 100_000

const WILDCARD = /[*?[\]\\]/

/** Whether an import target is a pattern, so that it may name no file at all. */
export function isGlob(path: string): boolean {
  return /[*?[\]]/.test(path)
}

/**
 * Files and folders that match an absolute pattern, sorted within each folder: `*` stands for any characters of one
 * path element, `?` for one, a backslash makes the next character plain. What can't be read matches nothing. Blocks.
 */
export function findFiles(pattern: string): string[] {
  const { root } = parse(pattern)
  let found = [root]
  for (const element of pattern.slice(root.length).split(sep)) {
    if (element === '') continue
    const next: string[] = []
    for (const folder of found) {
      if (!WILDCARD.test(element)) {
        const path = join(folder, element)
        if (exists(path)) next.push(path)
        continue
      }
      for (const name of entries(folder)) if (matchesElement(element, name)) next.push(join(folder, name))
    }
    if (next.length === 0) return []
    found = next
  }
  return found
}

function exists(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined
  } catch {
    return false
  }
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder).sort().slice(0, ENTRIES_MAX)
  } catch {
    return []
  }
}

/** Linear in the name for one `*`, which is as many as an import may have. */
function matchesElement(pattern: string, name: string): boolean {
  let p = 0
  let n = 0
  let starAt = -1
  let retryAt = 0
  while (n < name.length) {
    const plain = pattern[p] === '\\' && p + 1 < pattern.length
    const wanted = plain ? pattern[p + 1] : pattern[p]
    if (!plain && wanted === '*') {
      starAt = p++
      retryAt = n
    } else if (wanted === name[n] || (!plain && wanted === '?')) {
      p += plain ? 2 : 1
      n++
    } else if (starAt >= 0) {
      p = starAt + 1
      n = ++retryAt
    } else return false
  }
  while (pattern[p] === '*') p++
  return p === pattern.length
}
