/** `hosts`: addresses and names from a hosts file and from the Corefile. */
import { statSync } from 'node:fs'
import type { FrontContext, HandlerContext, Plugin } from '../../chain/plugin.ts'
import { ZoneSet } from '../../chain/zone-set.ts'
import { CorefileError } from '../../corefile/corefile-error.ts'
import type { Property } from '../../corefile/directive.ts'
import { fallthroughZones } from '../../corefile/fall.ts'
import { parseGoDuration } from '../../corefile/go-duration.ts'
import type { ParsedQuery } from '../../wire/parsed-query.ts'
import { ABSENT } from '../../zone/outcomes.ts'
import { once } from '../once.ts'
import { expectOnce, unknownProperty, wrongArguments } from '../usage.ts'
import { openZoneHandler, type ZonePlugin, zoneFrontPart } from '../zone-handler.ts'

const FILE_DEFAULT = '/etc/hosts'
const TTL_DEFAULT = 3600
const TTL_MAX = 65535
const RELOAD_MS_DEFAULT = 5000
const TYPE_A = 1
const TYPE_PTR = 12
const TYPE_AAAA = 28

export interface HostsOptions {
  /** Absolute. */
  readonly file: string
  /** Names outside these zones are dropped when the file is read. */
  readonly scope: readonly string[]
  /** Entries from the Corefile, as lines of a hosts file. */
  readonly inline: readonly string[]
  readonly ttlSeconds: number
  /** Between looks at the file; 0 for never. */
  readonly reloadMs: number
  /** Make PTR records from the entries. */
  readonly reverse: boolean
  readonly fallthrough: readonly string[]
  /** Let types other than A, AAAA and PTR fall through, even for names that exist. */
  readonly fallthroughUnsupported: boolean
}

const hostsSourceModule = once(() => import('./hosts-source.ts'))

export const plugin: Plugin<HostsOptions> = {
  name: 'hosts',
  parse(directives, context) {
    const directive = expectOnce(directives)
    const [file, ...origins] = directive.args
    const path = context.resolvePath(file?.text ?? FILE_DEFAULT)
    if (file !== undefined) {
      const problem = fileProblem(path)
      if (problem?.isFatal === true) throw new CorefileError(file.at, problem.text)
      if (problem !== undefined) context.warn(file.at, problem.text)
    }
    const inline: string[] = []
    let ttlSeconds = TTL_DEFAULT
    let reloadMs = RELOAD_MS_DEFAULT
    let reverse = true
    let fallthrough: readonly string[] = []
    let unsupported: Property | undefined
    for (const property of directive.block ?? []) {
      const [word, surplus] = property.args
      switch (property.name) {
        case 'fallthrough':
          fallthrough = fallthroughZones(property.args)
          break
        case 'fallthrough_unsupported':
          if (word !== undefined) throw wrongArguments(property, 'fallthrough_unsupported')
          unsupported = property
          break
        case 'no_reverse':
          reverse = false
          break
        case 'ttl':
          ttlSeconds = parseTtl(property)
          break
        case 'reload': {
          if (word === undefined || surplus !== undefined) {
            throw new CorefileError(property.at, 'reload needs a duration (zero seconds to disable)', 'reload 5s')
          }
          const ms = parseGoDuration(word.text)
          if (ms === undefined)
            throw new CorefileError(word.at, `invalid duration for reload '${word.text}'`, 'reload 5s')
          if (ms < 0)
            throw new CorefileError(word.at, `invalid negative duration for reload '${word.text}'`, 'reload 5s')
          reloadMs = ms
          break
        }
        default:
          // Entries come first: after `fallthrough` a line can only be a mistake.
          if (fallthrough.length > 0) throw unknownProperty(property, KNOWN)
          inline.push([property.name, ...property.args.map(({ text }) => text)].join(' '))
      }
    }
    if (unsupported !== undefined && fallthrough.length === 0) {
      throw new CorefileError(unsupported.at, 'fallthrough_unsupported requires fallthrough', 'fallthrough')
    }
    return {
      file: path,
      scope: context.origins(origins),
      inline,
      ttlSeconds,
      reloadMs,
      reverse,
      fallthrough,
      fallthroughUnsupported: unsupported !== undefined,
    }
  },
  primary: async (options, context) => new (await hostsSourceModule()).HostsSource(options, context),
  handle: (options, context: HandlerContext) => openZoneHandler(zonePlugin(options), context),
  front: (options, context: FrontContext) => {
    const part = zoneFrontPart(zonePlugin(options), context)
    if (!options.fallthroughUnsupported) return part
    // Whether such a query is answered here depends on more than the name.
    return { ...part, concerns: (query) => part.concerns!(query) || !isSupported(query.qtype) }
  },
}

const KNOWN = ['ttl', 'no_reverse', 'reload', 'fallthrough', 'fallthrough_unsupported']

function isSupported(qtype: number): boolean {
  return qtype === TYPE_A || qtype === TYPE_AAAA || qtype === TYPE_PTR
}

/**
 * A name without records of the type is NODATA where the name has others, except for PTR, which always goes on. A name that
 * isn't there goes on as `fallthrough` says, and one outside the plugin's zones in any case; else it is SERVFAIL, for
 * without a SOA there can be no NXDOMAIN.
 */
function zonePlugin({ scope, fallthrough, fallthroughUnsupported }: HostsOptions): ZonePlugin {
  const scopeSet = new ZoneSet(scope)
  const through = new ZoneSet(fallthrough)
  const fallsThrough = (query: ParsedQuery, outcome: number): boolean => {
    if (query.qtype === TYPE_PTR || !scopeSet.holds(query)) return true
    if (outcome !== ABSENT && (isSupported(query.qtype) || !fallthroughUnsupported)) return false
    return through.size > 0 && through.holds(query)
  }
  return { name: 'hosts', fallsThrough }
}

function parseTtl(property: Property): number {
  const [word] = property.args
  if (word === undefined) throw new CorefileError(property.at, 'ttl needs a time in second', 'ttl 3600')
  if (!/^[+-]?\d+$/.test(word.text)) throw new CorefileError(word.at, 'ttl needs a number of second', 'ttl 3600')
  const ttlSeconds = Number(word.text)
  if (ttlSeconds < 1 || ttlSeconds > TTL_MAX) throw new CorefileError(word.at, 'ttl provided is invalid', 'ttl 3600')
  return ttlSeconds
}

function fileProblem(path: string): { readonly text: string; readonly isFatal: boolean } | undefined {
  try {
    return statSync(path).isDirectory() ? { text: `Hosts file "${path}" is a directory`, isFatal: false } : undefined
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return { text: `File does not exist: ${path}`, isFatal: false }
    return { text: `unable to access hosts file '${path}': ${message}`, isFatal: true }
  }
}
