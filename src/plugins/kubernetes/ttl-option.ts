/** `ttl SECONDS` of the plugins that answer from a cluster. */
import { CorefileError } from '../../corefile/corefile-error.ts'
import type { OptionRow } from '../../corefile/option-table.ts'

const TTL_SECONDS_DEFAULT = 5
const TTL_SECONDS_MAX = 3600

export function clusterTtl(): OptionRow<number> {
  const example = `ttl ${TTL_SECONDS_DEFAULT}`
  return {
    default: TTL_SECONDS_DEFAULT,
    example,
    argsMin: 1,
    argsMax: Number.POSITIVE_INFINITY,
    parse: ([word]) => {
      const { text, at } = word!
      if (!/^[+-]?[0-9]+$/.test(text)) throw new CorefileError(at, `parsing "${text}": invalid syntax`, example)
      const seconds = Number(text)
      if (seconds < 0 || seconds > TTL_SECONDS_MAX) {
        throw new CorefileError(at, `ttl must be in range [0, ${TTL_SECONDS_MAX}]: ${text}`, example)
      }
      return seconds
    },
  }
}
