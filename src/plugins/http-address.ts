/** The address argument of the plugins that open an HTTP endpoint (health, ready, prometheus). */
import { CorefileError } from '../corefile/corefile-error.ts'
import type { Directive } from '../corefile/directive.ts'
import { type ListenAddress, splitListenAddress } from '../observe/listen-address.ts'
import { wrongArguments } from './usage.ts'

/** The directive's only argument, or `defaultAddress`. Throws CorefileError. */
export function httpAddress(directive: Directive, defaultAddress: string): ListenAddress {
  const [token, surplus] = directive.args
  if (surplus !== undefined) throw wrongArguments(directive, `${directive.name} ${defaultAddress}`)
  if (token === undefined) return splitListenAddress(defaultAddress)
  try {
    return splitListenAddress(token.text)
  } catch (error) {
    throw new CorefileError(token.at, (error as Error).message, `${directive.name} ${defaultAddress}`)
  }
}
