/**
 * From a Corefile's text to a ServerConfig.
 *
 *   text → words → blocks → keys → plugins' options → overlaps → listeners
 *
 * Errors of every step are collected, in the order CoreDNS would meet them: structure, keys, then plugin by plugin in
 * chain order, then overlaps. With an error there is no ServerConfig, but all that could be understood.
 */
import { createHash } from 'node:crypto'
import { resolve } from 'node:path'
import { CorefileError, type Position } from './corefile-error.ts'
import type { Directive, Property } from './directive.ts'
import type { Environment } from './environment.ts'
import { buildListeners } from './listeners.ts'
import { closestWord } from './option-table.ts'
import type { DirectiveParser, ParseContext, PluginSet, SteeringOptions } from './parse-context.ts'
import { type ParsedBlock, parseCorefile, type Remark } from './parse-corefile.ts'
import { parsePlugin } from './parse-plugin.ts'
import type { CorefileText } from './read-corefile.ts'
import { defaultCorefile } from './read-corefile.ts'
import type { BlockConfig, BlockKey, PluginConfig, ServerConfig } from './server-config.ts'
import { KeyOverlaps, resolveKeys } from './server-keys.ts'
import { SourceIdGiver, type SourceIds } from './source-ids.ts'
import { zonesOfArguments } from './zone-argument.ts'

export interface LoadOptions {
  /** Undefined: nothing was found, so the default is served. */
  readonly corefile: CorefileText | undefined
  readonly plugins: PluginSet
  /** Port of plain DNS keys without one (`-dns.port`). */
  readonly defaultPort?: number
  /** Folder that relative paths start from; the process's when not given. */
  readonly workingFolder?: string
  readonly environment?: Environment
  /** From the configuration before, so that unchanged parts keep their ids. */
  readonly previousSources?: SourceIds
  /** Of the configuration to be made. */
  readonly generation?: number
}

export interface LoadedConfig {
  /** Undefined when there are errors. */
  readonly config: ServerConfig | undefined
  /** In the order CoreDNS would meet them. */
  readonly errors: readonly CorefileError[]
  readonly warnings: readonly Remark[]
  /** All blocks with the plugins that could be parsed, also when there are errors. */
  readonly blocks: readonly BlockConfig[]
  readonly sources: SourceIds
  /** Absolute paths of imported files. */
  readonly imported: readonly string[]
}

interface Draft {
  readonly parsed: ParsedBlock
  readonly keys: readonly BlockKey[]
  readonly zones: readonly string[]
  readonly byPlugin: ReadonlyMap<string, readonly Directive[]>
  /** What the directives say, by plugin. */
  readonly said: Map<string, string>
  readonly plugins: PluginConfig[]
  root: string
}

export const DEFAULT_PORT = 53

/** Reads what the Corefile names, opens nothing. Rejects only for faults of a plugin, not for what the Corefile says. */
export async function loadServerConfig(options: LoadOptions): Promise<LoadedConfig> {
  const { plugins, defaultPort = DEFAULT_PORT, workingFolder = process.cwd(), generation = 1 } = options
  const environment = options.environment ?? process.env
  const judge = (name: string, at: Position): CorefileError | undefined => judgeDirective(name, at, plugins)
  const parse = ({ file, text }: CorefileText) => parseCorefile(text, { file, workingFolder, environment, judge })

  let parsed = parse(options.corefile ?? defaultCorefile(defaultPort))
  const warnings: Remark[] = [...parsed.warnings]
  const errors: CorefileError[] = [...parsed.errors]
  if (parsed.blocks.length === 0 && errors.length === 0) {
    const { file } = options.corefile ?? defaultCorefile(defaultPort)
    warnings.push({ at: { file, line: 0, column: 0 }, problem: `${file} has no server block: serving whoami and log` })
    parsed = parse(defaultCorefile(defaultPort))
  }

  const drafts: Draft[] = []
  for (const block of parsed.blocks) {
    const resolved = resolveKeys(block.keys, defaultPort)
    errors.push(...resolved.errors)
    warnings.push(...resolved.warnings)
    drafts.push({
      parsed: block,
      keys: resolved.keys,
      zones: [...new Set(resolved.keys.map((key) => key.zone))],
      byPlugin: groupByPlugin(block.directives),
      said: new Map(),
      plugins: [],
      root: workingFolder,
    })
  }

  const giver = new SourceIdGiver(options.previousSources)
  const usersOf = new Map<string, Draft[]>()
  for (const draft of drafts) {
    for (const name of draft.byPlugin.keys()) {
      const users = usersOf.get(name)
      if (users === undefined) usersOf.set(name, [draft])
      else users.push(draft)
    }
  }
  for (const name of plugins.order) {
    const users = usersOf.get(name)
    if (users === undefined || !plugins.isBuilt(name)) continue
    let parser: DirectiveParser
    try {
      parser = await plugins.load(name)
    } catch (error) {
      const problem = `the plugin can't be loaded: ${firstLine(error)}`
      for (const { byPlugin } of users) {
        errors.push(new CorefileError(byPlugin.get(name)![0]!.at, problem, undefined, name))
      }
      continue
    }
    // Options by what the directives say, where nothing else of the block counts: thousands of blocks have them in common.
    const shared = new Map<string, unknown>()
    for (const draft of users) addPlugin(name, parser, draft, shared)
  }

  function addPlugin(name: string, parser: DirectiveParser, draft: Draft, shared: Map<string, unknown>): void {
    const directives = draft.byPlugin.get(name)!
    const said = saidBy(directives)
    draft.said.set(name, said)
    let options = shared.get(said)
    if (options === undefined) {
      const context = new BlockContext(draft, (at, problem) => {
        if (!warnings.some((known) => known.at === at && known.problem === problem)) warnings.push({ at, problem })
      })
      const found = parsePlugin(parser, directives, context)
      errors.push(...found.errors)
      if (found.errors.length > 0) return
      options = found.options
      if (!context.wasAsked) shared.set(said, options)
    }
    if (name === 'root') draft.root = resolve(workingFolder, (options as SteeringOptions['root']).path)
    const module = plugins.module(name)
    const sourceId = giver.give(name, module, draft.keys, draft.root, options)
    draft.plugins.push({ name, options, sourceId, ...(module === undefined ? {} : { module }) })
  }

  const blocks = drafts.map((draft, id) => finishBlock(draft, id))
  const { listeners, warnings: unheard } = buildListeners(blocks)
  warnings.push(...unheard)
  errors.push(...findOverlaps(blocks))
  const config = { generation, hash: hashOf(drafts, plugins), blocks, listeners }
  return {
    config: errors.length === 0 ? config : undefined,
    errors,
    warnings,
    blocks,
    sources: giver.result(),
    imported: parsed.imported,
  }
}

function judgeDirective(name: string, at: Position, plugins: PluginSet): CorefileError | undefined {
  if (!plugins.order.includes(name)) {
    const built = plugins.order.filter((each) => plugins.isBuilt(each))
    return new CorefileError(at, `Unknown directive '${name}'`, closestWord(name, built))
  }
  if (plugins.isBuilt(name) || plugins.isBroken?.(name)) return undefined
  return new CorefileError(at, `plugin ${name} of CoreDNS is not part of this version of Shoal yet`)
}

function groupByPlugin(directives: readonly Directive[]): ReadonlyMap<string, readonly Directive[]> {
  const groups = new Map<string, Directive[]>()
  for (const directive of directives) {
    const group = groups.get(directive.name)
    if (group === undefined) groups.set(directive.name, [directive])
    else group.push(directive)
  }
  return groups
}

/** A block as a plugin's `parse` sees it. */
class BlockContext implements ParseContext {
  /** Whether `parse` wanted to know anything of the block, or has a remark about it. */
  wasAsked = false
  readonly #draft: Draft
  readonly #warn: (at: Position, problem: string) => void

  constructor(draft: Draft, warn: (at: Position, problem: string) => void) {
    this.#draft = draft
    this.#warn = warn
  }

  get keys(): readonly BlockKey[] {
    return this.#asked().keys
  }

  get zones(): readonly string[] {
    return this.#asked().zones
  }

  // Functions of their own: a parser may take them out of the context.
  get resolvePath(): ParseContext['resolvePath'] {
    const { root } = this.#asked()
    return (path) => resolve(root, path)
  }

  get origins(): ParseContext['origins'] {
    const { zones } = this.#asked()
    return (args) => (args.length === 0 ? [...zones] : zonesOfArguments(args))
  }

  get warn(): ParseContext['warn'] {
    this.#asked()
    return this.#warn
  }

  #asked(): Draft {
    this.wasAsked = true
    return this.#draft
  }
}

function finishBlock(draft: Draft, id: number): BlockConfig {
  return {
    id,
    at: draft.parsed.at,
    keys: draft.keys,
    zones: draft.zones,
    root: draft.root,
    debug: draft.byPlugin.has('debug'),
    plugins: draft.plugins,
  }
}

function findOverlaps(blocks: readonly BlockConfig[]): CorefileError[] {
  const overlaps = new KeyOverlaps()
  const errors: CorefileError[] = []
  for (const block of blocks) {
    const hasFilter = block.plugins.some((plugin) => plugin.name === 'view')
    for (const key of block.keys) {
      for (const address of boundAddresses(block) ?? ['']) {
        const problem = overlaps.add(key, address, hasFilter)
        if (problem !== undefined) errors.push(new CorefileError(block.at, problem))
      }
    }
  }
  return errors
}

/** Addresses of the block's `bind`, undefined without one. */
function boundAddresses(block: BlockConfig): readonly string[] | undefined {
  const bind = block.plugins.find((plugin) => plugin.name === 'bind')
  return bind === undefined ? undefined : (bind.options as SteeringOptions['bind']).addresses
}

/**
 * What the Corefile says, without how it is written: blanks, comments, quotes, line numbers, imports, and the order
 * between directives of different plugins don't count.
 */
function hashOf(drafts: readonly Draft[], plugins: PluginSet): string {
  const places = new Map(plugins.order.map((name, place) => [name, place]))
  const placeOf = (name: string) => places.get(name) ?? -1
  const hash = createHash('sha512')
  for (const { parsed, byPlugin, said } of drafts) {
    const parts = [JSON.stringify(parsed.keys.map((key) => key.text))]
    for (const name of [...byPlugin.keys()].sort((a, b) => placeOf(a) - placeOf(b))) {
      const module = plugins.module(name)
      parts.push(said.get(name) ?? saidBy(byPlugin.get(name)!))
      if (module !== undefined) parts.push(JSON.stringify([module]))
    }
    hash.update(`${parts.join()}\n`)
  }
  return hash.digest('hex')
}

/** The directives' words: names, arguments, blocks. */
function saidBy(directives: readonly Directive[]): string {
  return JSON.stringify(directives.map(canonicalLine))
}

function canonicalLine({ name, args, block }: Property): unknown[] {
  const words: unknown[] = [name, ...args.map((arg) => arg.text)]
  if (block !== undefined) words.push(block.map(canonicalLine))
  return words
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n', 1)[0]!
}
