/** What the configuration asks of a plugin, and what it offers to it. Part of the plugin contract (`chain/plugin.ts`). */
import type { Position } from './corefile-error.ts'
import type { Directive } from './directive.ts'
import type { BlockConfig, BlockKey } from './server-config.ts'

export interface ParseContext {
  /** The block's keys, already resolved. */
  readonly keys: readonly BlockKey[]
  /** The keys' zones, without repeats. */
  readonly zones: readonly string[]
  /** Makes a path absolute: relative ones start at the block's `root`. */
  resolvePath(path: string): string
  /** Zone arguments to absolute lower-case zones (CIDR expanded, invalid ones dropped); the block's zones when none are given. */
  origins(args: readonly { readonly text: string }[]): string[]
  /** A remark that doesn't stop the start: printed at start and by `shoal check`. */
  warn(at: Position, problem: string): void
}

/** What `Plugin.check` found: a line of a zone file that can't be loaded, for example. */
export interface Problem {
  readonly at: Position
  readonly problem: string
  /** Text that would work. */
  readonly hint?: string
  /** The server would start all the same. */
  readonly warning?: boolean
}

export interface CheckContext {
  readonly block: BlockConfig
}

/** The parts of a plugin that turn directives into options. */
export interface DirectiveParser {
  readonly name: string
  parse(directives: readonly Directive[], context: ParseContext): unknown
  check?(options: unknown, context: CheckContext): AsyncIterable<Problem> | Promise<readonly Problem[]>
}

/** The plugins that a Corefile can name. */
export interface PluginSet {
  /** All names that are directives, in chain order. */
  readonly order: readonly string[]
  /** Whether the plugin is part of this version; those that are not are told by name. */
  isBuilt(name: string): boolean
  /** Named in a plugin.cfg by a line that is wrong: that error says it all. */
  isBroken?(name: string): boolean
  /** Module of a plugin that isn't built in. */
  module(name: string): string | undefined
  load(name: string): Promise<DirectiveParser>
}

/** Options of the plugins that the configuration itself reads, by plugin. */
export interface SteeringOptions {
  readonly root: { readonly path: string }
  readonly bind: { readonly addresses: readonly string[] }
  readonly multisocket: { readonly sockets: number }
}
