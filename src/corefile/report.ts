/** How problems of a Corefile are shown to people: where, what was read, what would work. */
import { readFileSync, statSync } from 'node:fs'
import type { CorefileError, Position } from './corefile-error.ts'

export interface ReportedProblem {
  readonly severity: 'error' | 'warning'
  readonly file: string
  /** From 1; 0 for the file as a whole. */
  readonly line: number
  readonly column: number
  /** The plugin whose options are wrong. */
  readonly plugin?: string
  readonly problem: string
  /** The line that was read. */
  readonly read?: string
  /** Text that would work. */
  readonly works?: string
}

/** Octets of a file that is read again to show a line of it. */
const FILE_SIZE_MAX = 64 << 20
/** Characters of a line that are shown. */
const LINE_LENGTH_MAX = 500

/** Finds lines of files that problems point to. Each file is read once. */
export class LineFinder {
  readonly #files = new Map<string, readonly string[] | undefined>()

  /** A file whose text is known already, or that can't be read a second time. */
  add(file: string, text: string): void {
    this.#files.set(file, text.split(/\r?\n/))
  }

  find({ file, line }: Position): string | undefined {
    if (line === 0) return undefined
    let lines = this.#files.get(file)
    if (lines === undefined && !this.#files.has(file)) {
      lines = readLines(file)
      this.#files.set(file, lines)
    }
    const text = lines?.[line - 1]
    return text === undefined || text.length > LINE_LENGTH_MAX ? undefined : text
  }
}

function readLines(file: string): readonly string[] | undefined {
  try {
    const about = statSync(file)
    return about.isFile() && about.size <= FILE_SIZE_MAX ? readFileSync(file, 'utf8').split(/\r?\n/) : undefined
  } catch {
    return undefined
  }
}

/** Sorted by file and place, the Corefile's first. */
export function sortProblems(problems: readonly ReportedProblem[], corefile: string): ReportedProblem[] {
  const rank = (file: string): string => (file === corefile ? '' : file)
  return problems.toSorted(
    (a, b) =>
      (rank(a.file) < rank(b.file) ? -1 : rank(a.file) > rank(b.file) ? 1 : 0) ||
      a.line - b.line ||
      a.column - b.column,
  )
}

/**
 *     Corefile:9:12: plugin/cache: "many" is not a whole number
 *         denial many
 *                ^
 *         works: denial 4096
 */
export function printProblem({ severity, file, line, column, plugin, problem, read, works }: ReportedProblem): string {
  const where = line === 0 ? file : `${file}:${line}:${column}`
  const kind = severity === 'warning' ? 'warning: ' : ''
  const out = [`${where}: ${kind}${plugin === undefined ? '' : `plugin/${plugin}: `}${problem}`]
  if (read !== undefined) {
    const indent = read.search(/\S/)
    const shown = [...read].slice(Math.max(0, indent)).join('')
    out.push(`    ${printable(shown)}`, `    ${' '.repeat(Math.max(0, column - 1 - Math.max(0, indent)))}^`)
  }
  if (works !== undefined) out.push(`    works: ${works}`)
  return out.join('\n')
}

/** Control characters made visible, so that a file can't steer a terminal. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (character) => (character === '\t' ? ' ' : '\ufffd'))
}

/** A remark for the log of a server that starts all the same: `Corefile:3: …`. */
export function printRemark({ at, problem }: { readonly at: Position; readonly problem: string }): string {
  return at.line === 0 ? problem : `${at.file}:${at.line}: ${problem}`
}

/** What a failed start says: the first error as CoreDNS would, and how to see the others. */
export function printStartFailure(errors: readonly CorefileError[]): string {
  const more = errors.length - 1
  return `${errors[0]?.message ?? 'no error'}${more > 0 ? `\n(and ${more} more: see them all with shoal check)` : ''}`
}
