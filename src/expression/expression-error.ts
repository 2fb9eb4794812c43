/** An expression that can't be compiled, or that failed while it ran. */
export class ExpressionError extends Error {
  readonly code = 'SHOAL_EXPRESSION'
  constructor(message: string) {
    super(message)
    this.name = 'ExpressionError'
  }
}
