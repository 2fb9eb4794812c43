/**
 * `plugin.cfg` beside a Corefile: plugins from npm packages, each at the position in the chain where it should run.
 *
 *   # name:package, one a line
 *   cache:cache
 *   ratelimit:shoal-ratelimit
 *   forward:forward
 *
 * A line whose name is built in only marks a position, so CoreDNS's own file works with lines put in between. A new
 * plugin runs right behind the one of the line above, or in front of the one below. `package` is what `import` would
 * take from a file in this folder: a package's name, `./plugin.ts`, an absolute path.
 */
import { readFileSync } from 'node:fs'
import { createRequire, registerHooks } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { CorefileError, type Position } from '../corefile/corefile-error.ts'
import type { PluginSet } from '../corefile/parse-context.ts'
import type { Remark } from '../corefile/parse-corefile.ts'
import { errnoText } from '../corefile/read-corefile.ts'
import { loadPlugin, PLUGINS, pluginRow } from './order.ts'

export const PLUGIN_CFG = 'plugin.cfg'
const EXAMPLE = 'ratelimit:shoal-ratelimit'
const BUILT_IN_ORDER: readonly string[] = PLUGINS.map(({ name }) => name)

export interface PluginsFound {
  readonly plugins: PluginSet
  readonly errors: readonly CorefileError[]
  readonly warnings: readonly Remark[]
}

/** The built-in plugins and those that `folder/plugin.cfg` adds. No file: only the built-in ones. Blocks while it reads. */
export function findPlugins(folder: string): PluginsFound {
  const file = join(folder, PLUGIN_CFG)
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return { plugins: pluginSet(BUILT_IN_ORDER), errors: [], warnings: [] }
    const unreadable = new CorefileError({ file, line: 0, column: 0 }, `open ${file}: ${errnoText(code)}`)
    return { plugins: pluginSet(BUILT_IN_ORDER), errors: [unreadable], warnings: [] }
  }
  return parsePluginCfg(text, file)
}

/** Reads the text of a plugin.cfg. `file`: its path; packages are looked for from its folder. */
export function parsePluginCfg(text: string, file: string): PluginsFound {
  const errors: CorefileError[] = []
  const warnings: Remark[] = []
  /** Names in the order of the file; added ones with their module. */
  const lines: { readonly name: string; readonly module?: string; readonly line: number }[] = []
  const seen = new Set<string>()
  const broken = new Set<string>()
  for (const [index, raw] of text.split('\n').entries()) {
    const words = raw.replace(/#.*/, '').trim()
    if (words === '') continue
    const at = { file, line: index + 1, column: raw.search(/\S/) + 1 }
    const colon = words.indexOf(':')
    const name = words.slice(0, colon === -1 ? words.length : colon).trim()
    const specifier = colon === -1 ? '' : words.slice(colon + 1).trim()
    try {
      if (!/^[A-Za-z0-9_-]+$/.test(name) || specifier === '' || /\s/.test(specifier)) {
        throw new CorefileError(at, `"${words}" is not of the form name:package`, EXAMPLE)
      }
      if (seen.has(name)) throw new CorefileError(at, `"${name}" is listed twice`)
      seen.add(name)
      const row = pluginRow(name)
      if (row === undefined) lines.push({ name, module: resolveModule(specifier, file, at), line: at.line })
      else if (specifier === name || specifier === row.goPackage) lines.push({ name, line: at.line })
      else
        throw new CorefileError(at, `"${name}" is a plugin of CoreDNS: choose another name`, `my-${name}:${specifier}`)
    } catch (error) {
      if (!(error instanceof CorefileError)) throw error
      errors.push(error)
      if (!lines.some((each) => each.name === name)) broken.add(name)
    }
  }
  const order = [...BUILT_IN_ORDER]
  let previous = -1
  for (const { name, module, line } of lines) {
    if (module !== undefined) continue
    const position = order.indexOf(name)
    if (position < previous) {
      const problem = `"${name}" stands behind a plugin that runs after it: the order of built-in plugins stays as it is`
      warnings.push({ at: { file, line, column: 1 }, problem })
    }
    previous = Math.max(previous, position)
  }
  const modules = new Map<string, string>()
  for (const [index, { name, module, line }] of lines.entries()) {
    if (module === undefined) continue
    const above = lines[index - 1]?.name
    const below = lines.slice(index + 1).find((each) => each.module === undefined)?.name
    const position = above !== undefined ? order.indexOf(above) + 1 : below === undefined ? -1 : order.indexOf(below)
    if (position <= 0 && below === undefined) {
      const problem = `nothing says where in the chain "${name}" runs: put a line of a built-in plugin above or below it`
      errors.push(new CorefileError({ file, line, column: 1 }, problem, 'cache:cache'))
      broken.add(name)
      continue
    }
    order.splice(position, 0, name)
    modules.set(name, module)
  }
  return { plugins: pluginSet(order, modules, broken), errors, warnings }
}

function pluginSet(
  order: readonly string[],
  modules: ReadonlyMap<string, string> = new Map(),
  broken: ReadonlySet<string> = new Set(),
): PluginSet {
  return {
    order: [...order, ...[...broken].filter((name) => !order.includes(name))],
    isBuilt: (name) => modules.has(name) || pluginRow(name)?.load !== undefined,
    isBroken: (name) => broken.has(name),
    module: (name) => modules.get(name),
    load: (name) => loadPlugin(name, modules.get(name)),
  }
}

/** URL of the module that `import` would find from plugin.cfg's folder, or else from Shoal's. Runs none of its code. */
function resolveModule(specifier: string, file: string, at: Position): string {
  const parentURL = pathToFileURL(file).href
  const hooks = registerHooks({
    resolve: (wanted, context, next) => next(wanted, wanted === specifier ? { ...context, parentURL } : context),
  })
  try {
    return import.meta.resolve(specifier)
  } catch (error) {
    const own = resolveHere(specifier)
    if (own !== undefined) return own
    const isGo = /^(github\.com|golang\.org|[a-z0-9.-]+\.[a-z]+\/)/.test(specifier)
    const problem = isGo
      ? `"${specifier}" is a Go package; Shoal's plugins are npm packages`
      : `no package "${specifier}" is installed here: ${(error as Error).message.split('\n', 1)[0]}`
    throw new CorefileError(at, problem, isGo ? EXAMPLE : `npm install ${specifier}`)
  } finally {
    hooks.deregister()
  }
}

/** A package that is installed beside Shoal itself. */
function resolveHere(specifier: string): string | undefined {
  if (/^[./]/.test(specifier)) return undefined
  const resolve = createRequire(import.meta.url).resolve
  try {
    return pathToFileURL(resolve(specifier)).href
  } catch {
    return undefined
  }
}
