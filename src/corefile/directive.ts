import type { Position } from './corefile-error.ts'

/** One word of a Corefile after environment variables and imports were expanded. */
export interface Token {
  readonly text: string
  readonly at: Position
}

/** One line of a directive's own block: `lameduck 5s`. It can have a block itself (`tls { … }`-like nesting). */
export interface Property {
  readonly name: string
  readonly at: Position
  readonly args: readonly Token[]
  readonly block?: readonly Property[]
}

/** One use of a plugin in a server block: `cache 30 example.org { … }`. `block` is absent when no `{` followed. */
export interface Directive {
  readonly name: string
  readonly at: Position
  readonly args: readonly Token[]
  readonly block?: readonly Property[]
}
