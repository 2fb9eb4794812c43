/** What a parsed template consists of. `at` is an offset in the template's text, for errors. */
import type { GoValue } from './values.ts'

export type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'action'; readonly pipe: Pipe }
  | {
      readonly kind: 'if' | 'with'
      readonly pipe: Pipe
      readonly body: readonly Node[]
      readonly otherwise: readonly Node[]
    }
  | { readonly kind: 'range'; readonly pipe: Pipe; readonly body: readonly Node[]; readonly otherwise: readonly Node[] }
  | { readonly kind: 'break' | 'continue' }

/** `$x := a b | c`: each command's result is the last argument of the next one. */
export interface Pipe {
  readonly at: number
  /** As written, for errors. */
  readonly text: string
  readonly declares: readonly string[]
  /** `=` in place of `:=`. */
  readonly assigns: boolean
  readonly commands: readonly Command[]
}

/** An operand and its arguments. */
export interface Command {
  readonly at: number
  readonly text: string
  readonly operands: readonly Operand[]
}

export type Operand = { readonly at: number; readonly text: string } & (
  | { readonly kind: 'literal'; readonly value: GoValue }
  | { readonly kind: 'nil' }
  | { readonly kind: 'dot' }
  /** `.A.B`, relative to the dot. */
  | { readonly kind: 'field'; readonly path: readonly string[] }
  /** `$x.A.B`; `$` is the data that the template was executed with. */
  | { readonly kind: 'variable'; readonly name: string; readonly path: readonly string[] }
  | { readonly kind: 'function'; readonly name: string }
  /** `(pipe).A.B` */
  | { readonly kind: 'pipe'; readonly pipe: Pipe; readonly path: readonly string[] }
)
