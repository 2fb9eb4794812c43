import type { ServerConfig } from './server-config.ts'
import { isPreferredSyntax } from './server-keys.ts'

/**
 * What is served where, a line per zone and socket, as CoreDNS prints it at start: `example.org.:1053 on 127.0.0.1`.
 * A zone whose name is no host name (RFC 1035 section 2.3.1) gets a warning above its line.
 */
export function zoneLines(config: ServerConfig): string[] {
  const lines: string[] = []
  for (const { transport, server, port, sockets, zones } of config.listeners) {
    const address = /^[a-z0-9]+:\/\/\[?([^\]]*?)\]?:[0-9]+$/.exec(server)?.[1] ?? ''
    const scheme = transport === 'dns' ? '' : `${transport}://`
    for (let socket = 0; socket < Math.max(1, sockets); socket++) {
      for (const zone of zones.map((each) => each.zone).sort()) {
        if (!isPreferredSyntax(zone)) {
          lines.push(`Warning: Domain ${JSON.stringify(zone)} does not follow RFC1035 preferred syntax`)
        }
        lines.push(`${scheme}${zone}:${port}${address === '' ? '' : ` on ${address}`}`)
      }
    }
  }
  return lines
}
