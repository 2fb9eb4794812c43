/** What a `template` directive means: plain data. */

/** A template's text and what it makes. */
export interface VariableOptions {
  readonly name: string
  readonly expression: string
}

export interface TemplateOptions {
  /** RFC 1035 class and type; 255 matches all. */
  readonly qclass: number
  readonly qtype: number
  readonly zones: readonly string[]
  /** Any one has to match. */
  readonly patterns: readonly string[]
  readonly answers: readonly string[]
  readonly authorities: readonly string[]
  readonly additionals: readonly string[]
  readonly rcode: number
  readonly extendedError: { readonly code: number; readonly text: string } | undefined
  readonly variables: readonly VariableOptions[]
  /** All have to be true. */
  readonly conditions: readonly string[]
  /** Zones of `fallthrough`; undefined without it. */
  readonly fallthrough: readonly string[] | undefined
}

export interface AllTemplates {
  readonly templates: readonly TemplateOptions[]
}

/** Class or type ANY. */
export const ANY = 255
