/** Nodes of a parsed expression. `at` is an offset in the text. */
import type { Value } from './values.ts'

export type Node = { readonly at: number } & (
  | { readonly kind: 'literal'; readonly value: Value; readonly isInt?: boolean }
  | { readonly kind: 'name'; readonly name: string }
  /** `#`, `#acc`, `#index` inside a predicate. */
  | { readonly kind: 'pointer'; readonly name: string }
  | { readonly kind: 'unary'; readonly operator: string; readonly operand: Node }
  | { readonly kind: 'binary'; readonly operator: string; readonly left: Node; readonly right: Node }
  | { readonly kind: 'conditional'; readonly test: Node; readonly yes: Node; readonly no: Node }
  | { readonly kind: 'array'; readonly items: readonly Node[] }
  | { readonly kind: 'map'; readonly pairs: readonly { readonly key: Node; readonly value: Node }[] }
  | { readonly kind: 'member'; readonly object: Node; readonly key: Node; readonly optional: boolean }
  | { readonly kind: 'slice'; readonly object: Node; readonly from: Node | undefined; readonly to: Node | undefined }
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Node[] }
  /** The argument of `all`, `filter` and the like: evaluated for each element. */
  | { readonly kind: 'predicate'; readonly body: Node }
  | { readonly kind: 'let'; readonly name: string; readonly value: Node; readonly body: Node }
)
