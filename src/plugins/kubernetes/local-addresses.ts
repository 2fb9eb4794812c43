/** The addresses that clients reach a server block at: what `bind` says, else all of the machine's. */
import { networkInterfaces } from 'node:os'
import type { SteeringOptions } from '../../corefile/parse-context.ts'
import type { BlockConfig } from '../../corefile/server-config.ts'

/** Loopback and link-local addresses are nobody's but ours. */
const PRIVATE = /^(127\.|::1$|fe80:|::$|0\.0\.0\.0$)/i

export function localAddresses({ plugins }: BlockConfig): readonly string[] {
  const bind = plugins.find(({ name }) => name === 'bind')?.options as SteeringOptions['bind'] | undefined
  const addresses = bind?.addresses.filter((address) => address !== '' && address !== '::' && address !== '0.0.0.0')
  const found =
    addresses !== undefined && addresses.length > 0
      ? addresses
      : Object.values(networkInterfaces()).flatMap((each) => (each ?? []).map(({ address }) => address))
  return [...new Set(found.filter((address) => !PRIVATE.test(address)))]
}
