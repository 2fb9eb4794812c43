/**
 * The part of YAML that web configuration files use: mappings by indentation, lists of words (`- word` or `[a, b]`),
 * plain and quoted scalars, comments. Everything else is an error with its line.
 */

export type Setting = string | readonly string[] | Settings
export type Settings = Map<string, Setting>

interface Line {
  readonly indent: number
  readonly text: string
  readonly number: number
}

/** Nested deeper than any setting. */
const DEPTH_MAX = 8

/** Reads the text of `path` (for messages). Throws Error with `path:line`. */
export function scanSettings(text: string, path: string): Settings {
  const lines: Line[] = []
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const content = withoutComment(raw)
    if (content.trim() === '' || content.trim() === '---') continue
    const indent = content.length - content.trimStart().length
    if (content.slice(0, indent).includes('\t')) throw new Error(`${path}:${index + 1}: a tab can't indent`)
    lines.push({ indent, text: content.trim(), number: index + 1 })
  }
  const scanner = new SettingsScanner(lines, path)
  return lines.length === 0 ? new Map() : scanner.mapping(lines[0]!.indent, 0)
}

class SettingsScanner {
  readonly #lines: readonly Line[]
  readonly #path: string
  #at = 0

  constructor(lines: readonly Line[], path: string) {
    this.#lines = lines
    this.#path = path
  }

  mapping(indent: number, depth: number): Settings {
    const settings: Settings = new Map()
    if (depth > DEPTH_MAX) throw this.#error(this.#lines[this.#at]!, 'nested too deep')
    for (let line = this.#lines[this.#at]; line !== undefined && line.indent >= indent; line = this.#lines[this.#at]) {
      if (line.indent > indent) throw this.#error(line, 'indented further than the line before it allows')
      const match = /^("[^"]*"|'[^']*'|[^\s"'#[\]{}:-][^:#]*):(?:\s+(.*))?$/.exec(line.text)
      if (match === null) throw this.#error(line, '"name: value" is expected')
      const name = this.#scalar(match[1]!.trim(), line)
      if (settings.has(name)) throw this.#error(line, `"${name}" is there twice`)
      this.#at++
      settings.set(name, this.#value(match[2]?.trim() ?? '', line, depth))
    }
    return settings
  }

  #value(text: string, line: Line, depth: number): Setting {
    if (text.startsWith('[')) {
      if (!text.endsWith(']')) throw this.#error(line, 'a list in brackets ends on its line')
      const inner = text.slice(1, -1).trim()
      return inner === '' ? [] : inner.split(',').map((word) => this.#scalar(word.trim(), line))
    }
    if (text === '{}') return new Map()
    if (text !== '') return this.#scalar(text, line)
    const next = this.#lines[this.#at]
    if (next === undefined || next.indent < line.indent) return ''
    if (next.text.startsWith('- ')) return this.#list(next.indent)
    if (next.indent === line.indent) return ''
    return this.mapping(next.indent, depth + 1)
  }

  #list(indent: number): string[] {
    const words: string[] = []
    for (let line = this.#lines[this.#at]; line !== undefined && line.indent === indent; line = this.#lines[this.#at]) {
      if (!line.text.startsWith('- ')) break
      words.push(this.#scalar(line.text.slice(2).trim(), line))
      this.#at++
    }
    return words
  }

  #scalar(text: string, line: Line): string {
    const quoted = /^"([^"\\]*)"$|^'((?:[^']|'')*)'$/.exec(text)
    if (quoted !== null) return quoted[1] ?? quoted[2]!.replaceAll("''", "'")
    if (/^["'&*!|>%@`{[]/.test(text) || text.includes(': ')) throw this.#error(line, `can't read "${text}"`)
    return text
  }

  #error(line: Line, problem: string): Error {
    return new Error(`${this.#path}:${line.number}: ${problem}`)
  }
}

/** The line up to a `#` that stands at its start or after a blank, outside quotes. */
function withoutComment(line: string): string {
  let quote = ''
  for (let at = 0; at < line.length; at++) {
    const character = line[at]!
    if (quote !== '') {
      if (character === quote) quote = ''
    } else if (character === '"' || character === "'") quote = character
    else if (character === '#' && (at === 0 || /\s/.test(line[at - 1]!))) return line.slice(0, at)
  }
  return line
}
