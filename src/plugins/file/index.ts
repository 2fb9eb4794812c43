/** `file`: zones from master files. */
import type { Plugin } from '../../chain/plugin.ts'
import { CorefileError } from '../../corefile/corefile-error.ts'
import { fallthroughZones } from '../../corefile/fall.ts'
import { parseGoDuration } from '../../corefile/go-duration.ts'
import { once, opened } from '../once.ts'
import { unknownProperty, wrongArguments } from '../usage.ts'
import { fallthroughIn, type ZonePlugin, zoneFrontPart } from '../zone-handler.ts'

const RELOAD_MS_DEFAULT = 60_000
const EXAMPLE = 'file db.example.org example.org'

export interface ZoneSetting {
  readonly apex: string
  /** Absolute. */
  readonly path: string
  /** Between looks at the file; 0 for never. */
  readonly reloadMs: number
  /** Load a changed file whatever its SOA serial says. */
  readonly byMtime: boolean
}

export interface FileOptions {
  readonly zones: readonly ZoneSetting[]
  readonly fallthrough: readonly string[]
}

const checkZoneModule = once(() => import('../../sources/zone-file/check-zone.ts'))
const fileSourceModule = once(() => import('./file-source.ts'))
const handlerModule = once(() => import('./handler.ts'))

export const plugin: Plugin<FileOptions> = {
  name: 'file',
  parse(directives, context) {
    const zones = new Map<string, ZoneSetting>()
    // As in CoreDNS these values go on into the block's later lines, and fallthrough is one setting for all.
    let fallthrough: readonly string[] = []
    let reloadMs = RELOAD_MS_DEFAULT
    let byMtime = false
    for (const directive of directives) {
      const [file, ...origins] = directive.args
      if (file === undefined) throw wrongArguments(directive, EXAMPLE)
      for (const property of directive.block ?? []) {
        switch (property.name) {
          case 'fallthrough':
            fallthrough = fallthroughZones(property.args)
            break
          case 'reload': {
            const [duration] = property.args
            if (duration === undefined) {
              throw new CorefileError(property.at, 'reload duration value is expected', 'reload 1m')
            }
            const ms = parseGoDuration(duration.text)
            if (ms === undefined || ms < 0) {
              throw new CorefileError(duration.at, `time: invalid duration "${duration.text}"`, 'reload 1m')
            }
            reloadMs = ms
            break
          }
          case 'reload_by_mtime':
            byMtime = true
            break
          case 'upstream':
            break
          default:
            throw unknownProperty(property, ['reload', 'reload_by_mtime', 'fallthrough'])
        }
      }
      const path = context.resolvePath(file.text)
      for (const apex of context.origins(origins)) zones.set(apex, { apex, path, reloadMs, byMtime })
    }
    return { zones: [...zones.values()], fallthrough }
  },
  async *check({ zones }) {
    const { checkZone } = await checkZoneModule()
    for (const { path, apex } of zones) yield* checkZone(path, apex)
  },
  primary: (options, context) => opened(fileSourceModule, ({ FileSource }) => new FileSource(options, context)),
  handle: (options, context) => opened(handlerModule, ({ openFileHandler }) => openFileHandler(options, context)),
  front: (options, context) => zoneFrontPart(zonePlugin(options), context),
  opensLate: () => true,
}

/** How the plugin answers, without what only the chain can do. */
export function zonePlugin({ fallthrough }: FileOptions): ZonePlugin {
  return { name: 'file', refusesOthers: true, fallsThrough: fallthroughIn(fallthrough) }
}
