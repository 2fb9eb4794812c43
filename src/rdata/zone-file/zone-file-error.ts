/** Where something stood in a zone file: path as it was given, line and column from 1. */
export interface ZoneFilePosition {
  readonly file: string
  readonly line: number
  readonly column: number
}

/** A zone file that can't be taken as it is. The message starts with FILE:LINE:COLUMN and says what was read. */
export class ZoneFileError extends Error {
  readonly code = 'SHOAL_ZONE_FILE'
  readonly at: ZoneFilePosition
  /** The message without its position. */
  readonly problem: string
  /** Text that would work. */
  readonly hint: string | undefined

  constructor(at: ZoneFilePosition, problem: string, hint?: string) {
    super(`${at.file}:${at.line}:${at.column}: ${problem}${hint === undefined ? '' : `. Write for example: ${hint}`}`)
    this.name = 'ZoneFileError'
    this.at = at
    this.problem = problem
    this.hint = hint
  }
}
