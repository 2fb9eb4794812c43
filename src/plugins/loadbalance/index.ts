/** `loadbalance`: changes the order of records in replies, so that clients that take the first spread out. */
import { readFileSync } from 'node:fs'
import type { Plugin } from '../../chain/plugin.ts'
import { type Cidr, parseCidr } from '../../corefile/cidr.ts'
import { CorefileError } from '../../corefile/corefile-error.ts'
import type { Directive, Property } from '../../corefile/directive.ts'
import { parseGoDuration } from '../../corefile/go-duration.ts'
import { once, opened } from '../once.ts'
import { unknownProperty } from '../usage.ts'
import { parseWeights } from './weight-file.ts'

const RELOAD_MS_DEFAULT = 30_000
const WEIGHTED_EXAMPLE = 'loadbalance weighted weights.txt'

export type LoadbalanceOptions =
  | { readonly policy: 'round_robin'; readonly prefer: readonly Cidr[] }
  | { readonly policy: 'weighted'; readonly file: string; readonly reloadMs: number }

const reorderModule = once(() => import('./reorder.ts'))

export const plugin: Plugin<LoadbalanceOptions> = {
  name: 'loadbalance',
  parse(directives, context) {
    // As in CoreDNS the last policy counts, and preferred networks of several uses add up.
    const prefer: Cidr[] = []
    let weighted: Extract<LoadbalanceOptions, { policy: 'weighted' }> | undefined
    for (const directive of directives) {
      const [policy] = directive.args
      if (policy?.text === 'weighted') weighted = parseWeighted(directive, context.resolvePath)
      else {
        if (policy !== undefined && policy.text !== 'round_robin') {
          throw new CorefileError(policy.at, `unknown policy: ${policy.text}`, 'loadbalance round_robin')
        }
        const surplus = directive.args[1]
        if (surplus !== undefined) {
          throw new CorefileError(surplus.at, 'unknown property for round_robin', 'loadbalance round_robin')
        }
        weighted = undefined
        for (const property of directive.block ?? []) prefer.push(...parsePrefer(property))
      }
    }
    if (weighted === undefined) return { policy: 'round_robin', prefer }
    const { file, reloadMs } = weighted
    let text: string | undefined
    try {
      text = readFileSync(file, 'utf8')
    } catch {
      const problem = `Failed to open weight file: ${file}`
      if (reloadMs === 0) throw new CorefileError(directives[0]!.at, problem)
      context.warn(directives[0]!.at, problem)
    }
    try {
      if (text !== undefined) parseWeights(text, file)
    } catch (error) {
      throw new CorefileError(directives[0]!.at, (error as Error).message)
    }
    return weighted
  },
  front: (options, context) => opened(reorderModule, ({ openReorder }) => openReorder(options, context)),
  // Weights are read from a file.
  opensLate: ({ policy }) => policy === 'round_robin',
}

function parseWeighted(
  directive: Directive,
  resolvePath: (path: string) => string,
): Extract<LoadbalanceOptions, { policy: 'weighted' }> {
  const [policy, file, surplus] = directive.args
  if (file === undefined) throw new CorefileError(policy!.at, 'missing weight file argument', WEIGHTED_EXAMPLE)
  if (surplus !== undefined) throw new CorefileError(surplus.at, 'unexpected argument(s)', WEIGHTED_EXAMPLE)
  let reloadMs = RELOAD_MS_DEFAULT
  for (const property of directive.block ?? []) {
    if (property.name !== 'reload') throw unknownProperty(property, ['reload'])
    const [duration, more] = property.args
    if (duration === undefined) throw new CorefileError(property.at, 'reload duration value is missing', 'reload 30s')
    if (more !== undefined) throw new CorefileError(more.at, 'unexpected argument', 'reload 30s')
    const ms = parseGoDuration(duration.text)
    if (ms === undefined || ms < 0) {
      throw new CorefileError(duration.at, `invalid reload duration '${duration.text}'`, 'reload 30s')
    }
    reloadMs = ms
  }
  return { policy: 'weighted', file: resolvePath(file.text), reloadMs }
}

function parsePrefer(property: Property): Cidr[] {
  if (property.name !== 'prefer') throw unknownProperty(property, ['prefer'])
  return property.args.map(({ text, at }) => {
    const cidr = parseCidr(text)
    if (cidr === undefined) {
      throw new CorefileError(at, `invalid CIDR "${text}": invalid CIDR address: ${text}`, 'prefer 10.0.0.0/8')
    }
    return cidr
  })
}
