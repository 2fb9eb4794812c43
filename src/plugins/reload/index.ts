/** `reload`: looks at the Corefile now and then and swaps it in when its meaning changed. */
import type { Plugin } from '../../chain/plugin.ts'
import { CorefileError } from '../../corefile/corefile-error.ts'
import type { Token } from '../../corefile/directive.ts'
import { parseGoDuration } from '../../corefile/go-duration.ts'
import { wrongArguments } from '../../corefile/option-table.ts'
import { once } from '../once.ts'

const INTERVAL_MS_MIN = 2000
const JITTER_MS_MIN = 1000
const INTERVAL_MS_DEFAULT = 30_000
const JITTER_MS_DEFAULT = 15_000
const EXAMPLE = 'reload 30s 15s'

export interface ReloadOptions {
  readonly intervalMs: number
  /** The real interval is `intervalMs` plus or minus half of this, drawn once. */
  readonly jitterMs: number
}

const corefileWatchModule = once(() => import('./corefile-watch.ts'))

export const plugin: Plugin<ReloadOptions> = {
  name: 'reload',
  parse(directives) {
    // As in CoreDNS the block's first use counts.
    const directive = directives[0]!
    const [interval, jitter, surplus] = directive.args
    if (surplus !== undefined) throw wrongArguments(directive, EXAMPLE)
    const intervalMs = interval === undefined ? INTERVAL_MS_DEFAULT : durationOf(interval)
    if (intervalMs < INTERVAL_MS_MIN) {
      throw new CorefileError(interval!.at, 'interval value must be greater or equal to 2s', EXAMPLE)
    }
    const jitterMs = jitter === undefined ? JITTER_MS_DEFAULT : durationOf(jitter)
    if (jitterMs !== 0 && jitterMs < JITTER_MS_MIN) {
      throw new CorefileError(jitter!.at, 'jitter value must be 0 or greater or equal to 1s', EXAMPLE)
    }
    return { intervalMs, jitterMs: Math.min(jitterMs, intervalMs / 2) }
  },
  primary: async (options, context) => new (await corefileWatchModule()).CorefileWatch(options, context),
}

function durationOf({ text, at }: Token): number {
  const duration = parseGoDuration(text)
  if (duration === undefined) throw new CorefileError(at, `time: invalid duration "${text}"`, EXAMPLE)
  return duration
}
