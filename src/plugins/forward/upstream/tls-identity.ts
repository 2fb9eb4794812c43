import type tls from 'node:tls'
import { builtins } from '../../../node-builtins.ts'
import { addressFamily } from '../../../wire/address.ts'

/** What the upstream's certificate has to be for. Without a server name, for the address that is connected to. */
export function tlsIdentity(
  serverName: string | undefined,
): Pick<tls.ConnectionOptions, 'servername' | 'checkServerIdentity'> {
  if (serverName === undefined) return {}
  if (addressFamily(serverName) === 0) return { servername: serverName }
  // An address is no server name on the wire (RFC 6066 section 3), but certificates can be for one.
  return { checkServerIdentity: (_host, certificate) => builtins.tls.checkServerIdentity(serverName, certificate) }
}
