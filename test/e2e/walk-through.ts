/** The walk-through of docs/kubernetes.md: its shell blocks, by heading, in order. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Chapter {
  readonly heading: string
  /** Shell text of each block. */
  readonly blocks: readonly string[]
}

const PAGE = join(import.meta.dirname, '../../docs/kubernetes.md')

/** Chapters without a shell block are left out. */
export function walkThrough(text: string = readFileSync(PAGE, 'utf8')): readonly Chapter[] {
  const section = /^## Walk-through$([\s\S]*?)^## /m.exec(text)?.[1]
  if (section === undefined) throw new Error('docs/kubernetes.md has no section "Walk-through"')
  return section
    .split(/^### /m)
    .slice(1)
    .map((chapter) => ({
      heading: chapter.slice(0, chapter.indexOf('\n')),
      blocks: [...chapter.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map((match) => match[1]!),
    }))
    .filter(({ blocks }) => blocks.length > 0)
}
