/** A template that can't be parsed or executed, in the words of Go's text/template. */
export class TemplateError extends Error {
  readonly code = 'SHOAL_TEMPLATE'
  constructor(message: string) {
    super(message)
    this.name = 'TemplateError'
  }
}
