/**
 * From a Corefile's text to a ServerConfig.
 *
 *   text → words → blocks → keys → plugins' options → overlaps → listeners
 *
 * Errors of every step are told in the order CoreDNS would meet them: structure, keys, then plugin by plugin in chain
 * order, then overlaps. With an error there is no ServerConfig, but all that could be understood.
 */
import { createHash } from 'node:crypto'
import { resolve } from 'node:path'
import { CorefileError, type Position } from './corefile-error.ts'
import type { Directive, Property } from './directive.ts'
import type { Environment } from './environment.ts'
import { buildListeners } from './listeners.ts'
import { closestWord } from './option-table.ts'
import type { DirectiveParser, ParseContext, PluginSet, SteeringOptions } from './parse-context.ts'
import { CorefileParser, type ParsedBlock, type Remark } from './parse-corefile.ts'
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

/** A block while its plugins are parsed, one after the other. */
interface Draft {
  readonly keys: readonly BlockKey[]
  readonly zones: readonly string[]
  root: string
}

/** What is to be told about a plugin, of all blocks. */
interface Remarks {
  readonly errors: CorefileError[]
  readonly warnings: Remark[]
}

export const DEFAULT_PORT = 53

/** Reads what the Corefile names, opens nothing. Rejects only for faults of a plugin, not for what the Corefile says. */
export async function loadServerConfig(options: LoadOptions): Promise<LoadedConfig> {
  const { plugins, defaultPort = DEFAULT_PORT, workingFolder = process.cwd(), generation = 1 } = options
  const environment = options.environment ?? process.env
  const judge = (name: string, at: Position): CorefileError | undefined => judgeDirective(name, at, plugins)
  const parserOf = ({ file, text }: CorefileText) =>
    new CorefileParser(text, { file, workingFolder, environment, judge })

  const corefile = options.corefile ?? defaultCorefile(defaultPort)
  const loader = new BlockLoader(options, workingFolder)
  const blocks: BlockConfig[] = []
  const keyErrors: CorefileError[] = []
  const keyWarnings: Remark[] = []
  const loadBlocks = async (parser: CorefileParser): Promise<void> => {
    for (let block = parser.next(); block !== undefined; block = parser.next()) {
      const resolved = resolveKeys(block.keys, defaultPort)
      keyErrors.push(...resolved.errors)
      keyWarnings.push(...resolved.warnings)
      const loading = loader.load(block, resolved.keys, blocks.length)
      blocks.push(loading instanceof Promise ? await loading : loading)
    }
  }
  const parser = parserOf(corefile)
  await loadBlocks(parser)
  const warnings: Remark[] = [...parser.warnings]
  if (blocks.length === 0 && parser.errors.length === 0) {
    const { file } = corefile
    warnings.push({ at: { file, line: 0, column: 0 }, problem: `${file} has no server block: serving whoami and log` })
    await loadBlocks(parserOf(defaultCorefile(defaultPort)))
  }
  const errors: CorefileError[] = [...parser.errors, ...keyErrors]
  warnings.push(...keyWarnings)
  for (const { errors: found, warnings: remarks } of loader.remarks()) {
    errors.push(...found)
    warnings.push(...remarks)
  }
  const { listeners, warnings: unheard } = buildListeners(blocks)
  warnings.push(...unheard)
  errors.push(...findOverlaps(blocks))
  const config = { generation, hash: loader.hash(), blocks, listeners }
  return {
    config: errors.length === 0 ? config : undefined,
    errors,
    warnings,
    blocks,
    sources: { blocks, next: loader.nextSource },
    imported: parser.imported,
  }
}

/** Makes blocks of what was parsed, one after the other: of thousands only what is served stays in memory. */
class BlockLoader {
  readonly #plugins: PluginSet
  readonly #workingFolder: string
  readonly #places: ReadonlyMap<string, number>
  readonly #giver: SourceIdGiver
  /** Plugins' names in chain order, by their names as written. */
  readonly #orders = new Map<string, readonly string[]>()
  readonly #hash = createHash('sha512')
  /** Undefined for one that can't be loaded, or isn't built. */
  readonly #parsers = new Map<string, DirectiveParser | undefined>()
  readonly #loadErrors = new Map<string, string>()
  readonly #remarks = new Map<string, Remarks>()
  /** By plugin, the options by what the directives say, where nothing else of the block counts: thousands of blocks have them in common. */
  readonly #shared = new Map<string, Map<string, unknown>>()

  constructor({ plugins, previousSources }: LoadOptions, workingFolder: string) {
    this.#plugins = plugins
    this.#workingFolder = workingFolder
    this.#places = new Map(plugins.order.map((name, place) => [name, place]))
    this.#giver = new SourceIdGiver(previousSources)
  }

  /** A promise only where a plugin is met for the first time. */
  load(block: ParsedBlock, keys: readonly BlockKey[], id: number): BlockConfig | Promise<BlockConfig> {
    const byPlugin = groupByPlugin(block.directives)
    const names = this.#inChainOrder(byPlugin)
    for (const name of names) {
      if (!this.#parsers.has(name))
        return this.#loadParsers(names).then(() => this.#load(block, keys, id, byPlugin, names))
    }
    return this.#load(block, keys, id, byPlugin, names)
  }

  /** What is to be told about the plugins, in chain order. */
  remarks(): readonly Remarks[] {
    return [...this.#remarks].sort(([a], [b]) => this.#placeOf(a) - this.#placeOf(b)).map(([, remarks]) => remarks)
  }

  get nextSource(): number {
    return this.#giver.next
  }

  /**
   * Of what the Corefile says, without how it is written: blanks, comments, quotes, line numbers, imports, and the order
   * between directives of different plugins don't count. Once.
   */
  hash(): string {
    return this.#hash.digest('hex')
  }

  /** The plugins' names; blocks that name the same ones in the same order share the list. */
  #inChainOrder(byPlugin: ReadonlyMap<string, unknown>): readonly string[] {
    let written = ''
    for (const name of byPlugin.keys()) written += `${name} `
    let names = this.#orders.get(written)
    if (names === undefined) {
      names = [...byPlugin.keys()].sort((a, b) => this.#placeOf(a) - this.#placeOf(b))
      this.#orders.set(written, names)
    }
    return names
  }

  #placeOf(name: string): number {
    return this.#places.get(name) ?? -1
  }

  async #loadParsers(names: readonly string[]): Promise<void> {
    for (const name of names) {
      if (this.#parsers.has(name)) continue
      let parser: DirectiveParser | undefined
      if (this.#places.has(name) && this.#plugins.isBuilt(name)) {
        try {
          parser = await this.#plugins.load(name)
        } catch (error) {
          this.#loadErrors.set(name, `the plugin can't be loaded: ${firstLine(error)}`)
        }
      }
      this.#parsers.set(name, parser)
    }
  }

  #load(
    { at, keys: words }: ParsedBlock,
    keys: readonly BlockKey[],
    id: number,
    byPlugin: ReadonlyMap<string, readonly Directive[]>,
    names: readonly string[],
  ): BlockConfig {
    const draft: Draft = { keys, zones: zonesOf(keys), root: this.#workingFolder }
    const plugins: PluginConfig[] = []
    let text = JSON.stringify(words.map((key) => key.text))
    for (const name of names) {
      const directives = byPlugin.get(name)!
      const said = saidBy(directives)
      const module = this.#plugins.module(name)
      text += `,${said}`
      if (module !== undefined) text += `,${JSON.stringify([module])}`
      const plugin = this.#loadPlugin(name, module, directives, said, draft)
      if (plugin !== undefined) plugins.push(plugin)
    }
    this.#hash.update(`${text}\n`)
    return { id, at, keys, zones: draft.zones, root: draft.root, debug: byPlugin.has('debug'), plugins }
  }

  /** Undefined where there were errors. */
  #loadPlugin(
    name: string,
    module: string | undefined,
    directives: readonly Directive[],
    said: string,
    draft: Draft,
  ): PluginConfig | undefined {
    const parser = this.#parsers.get(name)
    if (parser === undefined) {
      const problem = this.#loadErrors.get(name)
      if (problem !== undefined) {
        this.#remarksOf(name).errors.push(new CorefileError(directives[0]!.at, problem, undefined, name))
      }
      return undefined
    }
    let shared = this.#shared.get(name)
    if (shared === undefined) {
      shared = new Map()
      this.#shared.set(name, shared)
    }
    let options = shared.get(said)
    if (options === undefined) {
      const context = new BlockContext(draft, (at, problem) => {
        const { warnings } = this.#remarksOf(name)
        if (!warnings.some((known) => known.at === at && known.problem === problem)) warnings.push({ at, problem })
      })
      const found = parsePlugin(parser, directives, context)
      if (found.errors.length > 0) {
        this.#remarksOf(name).errors.push(...found.errors)
        return undefined
      }
      options = found.options
      if (!context.wasAsked) shared.set(said, options)
    }
    if (name === 'root') draft.root = resolve(this.#workingFolder, (options as SteeringOptions['root']).path)
    return this.#giver.give(name, module, draft.keys, draft.root, options)
  }

  #remarksOf(name: string): Remarks {
    let remarks = this.#remarks.get(name)
    if (remarks === undefined) {
      remarks = { errors: [], warnings: [] }
      this.#remarks.set(name, remarks)
    }
    return remarks
  }
}

function zonesOf(keys: readonly BlockKey[]): readonly string[] {
  if (keys.length === 1) return [keys[0]!.zone]
  return [...new Set(keys.map((key) => key.zone))]
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

/** The directives' words: names, arguments, blocks. */
function saidBy(directives: readonly Property[]): string {
  let text = '['
  for (const { name, args, block } of directives) {
    text += text === '[' ? '[' : ',['
    text += JSON.stringify(name)
    for (const arg of args) text += `,${JSON.stringify(arg.text)}`
    if (block !== undefined) text += `,${saidBy(block)}`
    text += ']'
  }
  return `${text}]`
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n', 1)[0]!
}
