/** Finds the zone files of a folder and those below it. */
import { readdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { compileRegex } from '../../corefile/linear-regex.ts'
import { normalizeZone } from '../../wire/name.ts'
import type { AutoOptions } from './index.ts'

/** Files and folders that are looked at in one walk. */
export const ENTRIES_MAX = 1_000_000
/** Folders inside each other. Links to folders are not followed, so only real ones count. */
export const DEPTH_MAX = 64

export interface ZoneWalk {
  /** File by zone, in the order of the walk. */
  readonly zones: ReadonlyMap<string, string>
  /** What was passed over, and why. */
  readonly problems: readonly string[]
}

/**
 * Walks the folder in the order of names; the first file of a zone counts. The folder itself may be a link. Folders whose
 * name starts with `..` are passed over: Kubernetes keeps the versions of a mounted ConfigMap there, and links to them.
 */
export async function walkZones({
  directory,
  pattern,
  template,
}: Pick<AutoOptions, 'directory' | 'pattern' | 'template'>): Promise<ZoneWalk> {
  const zones = new Map<string, string>()
  const problems: string[] = []
  if (directory === '') return { zones, problems }
  const regex = compileRegex(pattern)
  const goTemplate = template.replaceAll('{', '${')
  let entries = 0
  const walk = async (folder: string, depth: number): Promise<void> => {
    let found: { name: string; isDirectory(): boolean }[]
    try {
      found = await readdir(folder, { withFileTypes: true })
    } catch (error) {
      problems.push(`error reading ${folder}: ${(error as Error).message}`)
      return
    }
    found.sort((a, b) => (a.name < b.name ? -1 : 1))
    for (const entry of found) {
      if (++entries > ENTRIES_MAX) return
      const path = join(folder, entry.name)
      if (entry.isDirectory()) {
        if (entry.name.startsWith('..')) continue
        if (depth === DEPTH_MAX) problems.push(`${path} is more than ${DEPTH_MAX} folders deep`)
        else await walk(path, depth + 1)
        continue
      }
      const match = regex.match(entry.name)
      if (match === undefined) continue
      let apex: string
      try {
        apex = normalizeZone(regex.expand(goTemplate, match.groups))
      } catch (error) {
        problems.push(`${path} gives no zone name: ${(error as Error).message}`)
        continue
      }
      const first = zones.get(apex)
      if (first === undefined) zones.set(apex, path)
      else problems.push(`Multiple zone files match origin "${apex}": using "${first}" instead of "${path}"`)
    }
  }
  const top = await realpath(directory).catch(() => directory)
  await walk(top, 1)
  if (entries > ENTRIES_MAX) problems.push(`${directory} has more than ${ENTRIES_MAX} entries: the rest is left out`)
  return { zones, problems }
}
