/** Directives from Corefile text, and a plugin's `parse` over them, without the Corefile parser. */
import { resolve } from 'node:path'
import type { ParseContext, Plugin } from '../../src/chain/plugin.ts'
import type { Directive, Property, Token } from '../../src/corefile/directive.ts'
import type { BlockKey } from '../../src/corefile/server-config.ts'
import { zonesOfArguments } from '../../src/corefile/zone-argument.ts'

/** One directive per line or block: words by blanks, "quoted" words, a block in braces. */
export function directivesOf(text: string): Directive[] {
  const lines = text.split('\n').map((line) => line.trim())
  let at = 0
  const position = (line: number) => ({ file: 'Corefile', line: line + 1, column: 1 })
  const words = (line: string, number: number): Token[] =>
    [...line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map((match) => ({
      text: match[1]?.replaceAll('\\"', '"') ?? match[2]!,
      at: position(number),
    }))
  const block = (): Property[] => {
    const properties: Property[] = []
    for (; lines[at] !== '}'; ) {
      const line = lines[at]!
      const number = at++
      if (line === '' || line.startsWith('#')) continue
      const opens = line.endsWith('{')
      const [name, ...args] = words(opens ? line.slice(0, -1) : line, number)
      properties.push({
        name: name!.text,
        at: name!.at,
        args,
        ...(opens ? { block: block() } : {}),
      })
    }
    at++
    return properties
  }
  const directives: Directive[] = []
  while (at < lines.length) {
    const line = lines[at]!
    const number = at++
    if (line === '') continue
    const opens = line.endsWith('{')
    const [name, ...args] = words(opens ? line.slice(0, -1) : line, number)
    directives.push({ name: name!.text, at: name!.at, args, ...(opens ? { block: block() } : {}) })
  }
  return directives
}

export interface ParseSetting {
  readonly zones?: readonly string[]
  readonly root?: string
  readonly warnings?: string[]
}

/** Options of the plugin for this text; throws what `parse` throws. */
export function parseWith<O>(plugin: Plugin<O>, text: string, setting: ParseSetting = {}): O {
  const zones = setting.zones ?? ['.']
  const context: ParseContext = {
    keys: zones.map((zone): BlockKey => ({ transport: 'dns', zone, port: 53 })),
    zones,
    resolvePath: (path) => resolve(setting.root ?? '/', path),
    origins: (args) => (args.length === 0 ? [...zones] : zonesOfArguments(args)),
    warn: (at, problem) => setting.warnings?.push(`${at.line}: ${problem}`),
  }
  return plugin.parse(directivesOf(text), context)
}
