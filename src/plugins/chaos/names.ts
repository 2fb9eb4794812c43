import { textToName } from '../../wire/name.ts'
import type { ParsedQuery } from '../../wire/parsed-query.ts'

export const CLASS_CH = 3
export const TYPE_TXT = 16

export type ChaosName = 'version' | 'hostname' | 'authors'

const NAMES: readonly { readonly wire: Uint8Array; readonly asks: ChaosName }[] = [
  { wire: textToName('version.bind.'), asks: 'version' },
  { wire: textToName('version.server.'), asks: 'version' },
  { wire: textToName('hostname.bind.'), asks: 'hostname' },
  { wire: textToName('id.server.'), asks: 'hostname' },
  { wire: textToName('authors.bind.'), asks: 'authors' },
]

/** What the qname asks for, or undefined when it is none of the names this plugin knows. Doesn't allocate. */
export function chaosName({ name, nameLength }: ParsedQuery): ChaosName | undefined {
  for (const { wire, asks } of NAMES) {
    if (wire.length !== nameLength) continue
    let i = 0
    while (i < nameLength && wire[i] === name[i]) i++
    if (i === nameLength) return asks
  }
  return undefined
}
