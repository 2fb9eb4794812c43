/** `auto`: zones from the master files of a folder. */
import { statSync } from 'node:fs'
import type { Plugin } from '../../chain/plugin.ts'
import { CorefileError } from '../../corefile/corefile-error.ts'
import type { Property } from '../../corefile/directive.ts'
import { parseGoDuration } from '../../corefile/go-duration.ts'
import { compileRegex } from '../../corefile/linear-regex.ts'
import { once } from '../once.ts'
import { unknownProperty, wrongArguments } from '../usage.ts'
import { openZoneHandler, type ZonePlugin, zoneFrontPart } from '../zone-handler.ts'

const RELOAD_MS_DEFAULT = 60_000
const DIRECTORY_EXAMPLE = 'directory /etc/zones db\\.(.*) {1}'

export interface AutoOptions {
  /** Names that are answered here at all. */
  readonly scope: readonly string[]
  /** Absolute; '' when the block names none: then there are no zones. */
  readonly directory: string
  readonly pattern: string
  /** The zone's name, with groups of the pattern in braces: `{1}`. */
  readonly template: string
  /** Between looks at the folder and its files; 0 for never. */
  readonly reloadMs: number
}

const autoSourceModule = once(() => import('./auto-source.ts'))

export const plugin: Plugin<AutoOptions> = {
  name: 'auto',
  parse(directives, context) {
    let options: AutoOptions = {
      scope: [],
      directory: '',
      pattern: 'db\\.(.*)',
      template: '{1}',
      reloadMs: RELOAD_MS_DEFAULT,
    }
    // As in CoreDNS a later use in the block takes the place of what it says again.
    for (const directive of directives) {
      options = { ...options, scope: context.origins(directive.args) }
      for (const property of directive.block ?? []) {
        switch (property.name) {
          case 'directory':
            options = { ...options, ...parseDirectory(property, context.resolvePath) }
            warnOfFolder(options.directory, property, context.warn)
            break
          case 'reload': {
            const [duration] = property.args
            if (duration === undefined) {
              throw new CorefileError(property.at, 'reload duration value is expected', 'reload 1m')
            }
            const reloadMs = parseGoDuration(duration.text)
            if (reloadMs === undefined || reloadMs < 0) {
              throw new CorefileError(duration.at, `time: invalid duration "${duration.text}"`, 'reload 1m')
            }
            options = { ...options, reloadMs }
            break
          }
          case 'upstream':
            break
          default:
            throw unknownProperty(property, ['directory', 'reload'])
        }
      }
    }
    return options
  },
  async *check(options) {
    const [{ walkZones }, { checkZone }] = await Promise.all([
      import('./walk-zones.ts'),
      import('../../sources/zone-file/check-zone.ts'),
    ])
    const { zones } = await walkZones(options)
    for (const [apex, path] of zones) {
      // A bad file is left out and the others are served.
      for await (const problem of checkZone(path, apex)) yield { ...problem, warning: true }
    }
  },
  primary: async (options, context) => new (await autoSourceModule()).AutoSource(options, context),
  handle: (options, context) => openZoneHandler(zonePlugin(options), context),
  front: (options, context) => zoneFrontPart(zonePlugin(options), context),
}

function zonePlugin({ scope }: AutoOptions): ZonePlugin {
  return { name: 'auto', refusesOthers: true, scope }
}

function parseDirectory(
  property: Property,
  resolvePath: (path: string) => string,
): Pick<AutoOptions, 'directory'> & Partial<Pick<AutoOptions, 'pattern' | 'template'>> {
  const [folder, pattern, template, surplus] = property.args
  if (folder === undefined || surplus !== undefined || (pattern !== undefined && template === undefined)) {
    throw wrongArguments(property, DIRECTORY_EXAMPLE)
  }
  const directory = resolvePath(folder.text)
  if (pattern === undefined || template === undefined) return { directory }
  let groupCount: number
  try {
    groupCount = compileRegex(pattern.text).groupCount
  } catch (error) {
    throw new CorefileError(pattern.at, (error as Error).message, DIRECTORY_EXAMPLE)
  }
  if (groupCount === 0) throw new CorefileError(pattern.at, 'Need at least one sub expression', DIRECTORY_EXAMPLE)
  return { directory, pattern: pattern.text, template: template.text }
}

function warnOfFolder(
  directory: string,
  property: Property,
  warn: (at: Property['at'], problem: string) => void,
): void {
  try {
    statSync(directory)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code !== 'ENOENT') {
      throw new CorefileError(property.at, `Unable to access root path '${directory}': ${message}`, DIRECTORY_EXAMPLE)
    }
    warn(property.at, `Directory does not exist: ${directory}`)
  }
}
