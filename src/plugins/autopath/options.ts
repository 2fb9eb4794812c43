/** The `autopath` directive's options. */
import { readFileSync } from 'node:fs'
import type { ParseContext } from '../../chain/plugin.ts'
import { CorefileError } from '../../corefile/corefile-error.ts'
import type { Directive } from '../../corefile/directive.ts'
import { unexpectedBlock } from '../../corefile/option-table.ts'
import { zonesOfArgument } from '../../corefile/zone-argument.ts'

const EXAMPLE = 'autopath @kubernetes'
const SYSTEM_FILE = '/etc/resolv.conf'

export interface AutopathOptions {
  /** Names in these zones are walked for. */
  readonly zones: readonly string[]
  /** `@PLUGIN`: it knows each client's search path. */
  readonly plugin: string | undefined
  /** Search domains of a resolv.conf: absolute, lower-case. With a plugin: those of this machine, behind the client's own. */
  readonly search: readonly string[]
}

/** Throws CorefileError. As in CoreDNS the last use in the block counts. */
export function parseAutopath(directives: readonly Directive[], context: ParseContext): AutopathOptions {
  let options: AutopathOptions = { zones: [], plugin: undefined, search: [] }
  for (const directive of directives) {
    if (directive.block !== undefined) throw unexpectedBlock(directive, EXAMPLE)
    const last = directive.args.at(-1)
    if (last === undefined) throw new CorefileError(directive.at, 'no resolv-conf specified', EXAMPLE)
    const zones = context.origins(directive.args.slice(0, -1))
    if (last.text.startsWith('@')) options = { zones, plugin: last.text.slice(1), search: systemSearch() }
    else {
      let text: string
      try {
        text = readFileSync(last.text, 'utf8')
      } catch (error) {
        throw new CorefileError(last.at, `failed to parse "${last.text}": ${(error as Error).message}`, EXAMPLE)
      }
      options = { zones, plugin: undefined, search: searchDomains(text) }
    }
  }
  return options
}

function systemSearch(): readonly string[] {
  try {
    return searchDomains(readFileSync(SYSTEM_FILE, 'utf8'))
  } catch {
    return []
  }
}

/** Of `search` and `domain` lines the last counts. resolv.conf(5). */
export function searchDomains(text: string): readonly string[] {
  let domains: readonly string[] = []
  for (const line of text.split('\n')) {
    const [word, ...rest] = line.trim().split(/\s+/)
    if (word === 'search') domains = rest
    else if (word === 'domain') domains = rest.slice(0, 1)
  }
  return domains.flatMap(zonesOfArgument)
}
