/** Why a text or a value is no rdata. */
export class RdataError extends Error {
  readonly code = 'SHOAL_RDATA'
  /** What was read, and what is wrong with it; no place, no final dot. */
  readonly problem: string
  /** Text that would work, when one is known. */
  readonly hint: string | undefined
  /** Index of the token it is about, in the list that was scanned; the number of tokens where one is missing. */
  readonly token: number

  constructor(problem: string, hint?: string, token = -1) {
    super(hint === undefined ? problem : `${problem}. Write for example: ${hint}`)
    this.name = 'RdataError'
    this.problem = problem
    this.hint = hint
    this.token = token
  }
}
