/** Where a token stood: file as the operator named it, line and column from 1. Line 0 means the file as a whole. */
export interface Position {
  readonly file: string
  readonly line: number
  readonly column: number
}

/**
 * A Corefile that can't be served. `message` is what CoreDNS would write: FILE:LINE, what was read, and behind it the
 * hint, which is text that would work, for example `denial 4096`.
 */
export class CorefileError extends Error {
  readonly code = 'SHOAL_COREFILE'
  readonly at: Position
  /** The message without its position. */
  readonly problem: string
  readonly hint: string | undefined
  /** Name of the plugin whose options are wrong; undefined for the Corefile itself. */
  readonly plugin: string | undefined

  constructor(at: Position, problem: string, hint?: string, plugin?: string) {
    super(composeMessage(at, problem, hint, plugin))
    this.name = 'CorefileError'
    this.at = at
    this.problem = problem
    this.hint = hint
    this.plugin = plugin
  }
}

const SYNTAX_ERROR = 'Syntax error: '

/** A token that can't stand where it stands, in CoreDNS's words. */
export function syntaxError(at: Position, read: string, expected: string, hint?: string): CorefileError {
  return new CorefileError(at, `${SYNTAX_ERROR}Unexpected token '${read}', expecting '${expected}'`, hint)
}

function composeMessage(at: Position, problem: string, hint?: string, plugin?: string): string {
  const who = plugin === undefined ? '' : `plugin/${plugin}: `
  const kind = problem.startsWith(SYNTAX_ERROR) ? '' : 'Error during parsing: '
  const where = at.line === 0 ? '' : `${at.file}:${at.line} - ${kind}`
  return `${who}${where}${problem}${hint === undefined || hint === '' ? '' : `. Write for example: ${hint}`}`
}
