/** `bind`: the addresses, or interfaces with all of theirs, that a block listens on. */
import { networkInterfaces } from 'node:os'
import type { Plugin } from '../../chain/plugin.ts'
import { CorefileError } from '../../corefile/corefile-error.ts'
import type { Property, Token } from '../../corefile/directive.ts'
import { isAddress } from '../../corefile/host-port.ts'
import type { SteeringOptions } from '../../corefile/parse-context.ts'
import { addressText, parseAddress } from '../../wire/address.ts'

const EXAMPLE = 'bind 127.0.0.1 ::1'
const EXCEPT_EXAMPLE = 'except 192.0.2.1'

export const plugin: Plugin<SteeringOptions['bind']> = {
  name: 'bind',
  parse(directives) {
    const addresses: string[] = []
    for (const { at, args, block = [] } of directives) {
      if (args.length === 0) {
        throw new CorefileError(at, 'at least one address or interface name is expected', EXAMPLE)
      }
      const except = block.flatMap(parseExcept)
      addresses.push(...args.flatMap(addressesOf).filter((address) => !except.includes(address)))
    }
    return { addresses }
  },
}

function parseExcept({ name, at, args }: Property): string[] {
  if (name !== 'except') throw new CorefileError(at, `invalid option "${name}"`, EXCEPT_EXAMPLE)
  if (args.length === 0) {
    throw new CorefileError(
      at,
      'at least one address or interface must be given to except subdirective',
      EXCEPT_EXAMPLE,
    )
  }
  return args.flatMap(addressesOf)
}

/** All addresses of an interface, or the address itself. IPv6 ones in the form of RFC 5952, so that they compare. */
function addressesOf({ text, at }: Token): string[] {
  if (isAddress(text)) {
    const octets = new Uint8Array(16)
    const family = parseAddress(text, octets)
    const zone = text.indexOf('%')
    return [addressText(octets.subarray(0, family === 4 ? 4 : 16)) + (zone < 0 ? '' : text.slice(zone))]
  }
  const interfaces = networkInterfaces()
  if (!Object.hasOwn(interfaces, text))
    throw new CorefileError(at, `not a valid IP address or interface name: "${text}"`, EXAMPLE)
  return interfaces[text]!.map(({ address, scopeid }) =>
    scopeid === undefined || scopeid === 0 ? address : `${address}%${text}`,
  )
}
