/** Examples in docs/, which tests run as they stand. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const DOCS = join(import.meta.dirname, '../../docs')

/** The page's first block of this language. Throws when there is none. */
export function docExample(page: string, language: string): string {
  const text = readFileSync(join(DOCS, page), 'utf8')
  const match = new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\`$`, 'm').exec(text)
  if (match === null) throw new Error(`docs/${page} has no block of ${language}`)
  return match[1]!
}
