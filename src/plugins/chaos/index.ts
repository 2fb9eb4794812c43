/** `chaos`: version, host name and authors of the server, asked in class CH. */
import type { Plugin } from '../../chain/plugin.ts'
import { unknownProperty } from '../../corefile/option-table.ts'
import { once } from '../once.ts'
import { AUTHORS_DEFAULT, VERSION_DEFAULT } from './identity.ts'
import { CLASS_CH, chaosName, TYPE_TXT } from './names.ts'

/** A character-string holds no more. RFC 1035 section 3.3. */
const TEXT_SIZE_MAX = 255

export interface ChaosOptions {
  readonly version: string
  /** Sorted, without repeats. */
  readonly authors: readonly string[]
}

const handlerModule = once(() => import('./handler.ts'))

export const plugin: Plugin<ChaosOptions> = {
  name: 'chaos',
  parse(directives) {
    // As in CoreDNS the first use counts.
    const [directive] = directives
    const property = directive?.block?.[0]
    if (property !== undefined) throw unknownProperty(property, [])
    const [version = VERSION_DEFAULT, ...authors] = (directive?.args ?? []).map((token) => token.text)
    return {
      version: cut(version),
      authors: authors.length === 0 ? AUTHORS_DEFAULT : [...new Set(authors.map(cut))].sort(),
    }
  },
  handle: async (options) => (await handlerModule()).openChaos(options),
  front: () => ({
    concerns: (query) => query.qclass === CLASS_CH && query.qtype === TYPE_TXT && chaosName(query) !== undefined,
  }),
}

/** At most 255 octets of UTF-8, cut between characters. */
function cut(text: string): string {
  if (Buffer.byteLength(text) <= TEXT_SIZE_MAX) return text
  const characters = [...text]
  while (Buffer.byteLength(characters.join('')) > TEXT_SIZE_MAX) characters.pop()
  return characters.join('')
}
