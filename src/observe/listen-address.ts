/** `HOST:PORT` as Go's net.SplitHostPort reads it, for the plugins that open an HTTP endpoint. */

export interface ListenAddress {
  /** '' means all addresses. Without brackets. */
  readonly host: string
  readonly port: number
}

/** Splits `HOST:PORT`, `:PORT` or `[IPv6]:PORT`. Throws an Error whose text is Go's. */
export function splitListenAddress(text: string): ListenAddress {
  const fail = (why: string): never => {
    throw new Error(`address ${text}: ${why}`)
  }
  const colon = text.lastIndexOf(':')
  if (colon < 0) return fail('missing port in address')
  let host = text.slice(0, colon)
  if (text.startsWith('[')) {
    const close = text.indexOf(']')
    if (close < 0) return fail("missing ']' in address")
    if (close + 1 === text.length) return fail('missing port in address')
    if (close + 1 !== colon)
      return fail(text[close + 1] === ':' ? 'too many colons in address' : 'missing port in address')
    host = text.slice(1, close)
  } else if (host.includes(':')) return fail('too many colons in address')
  if (host.includes('[')) return fail("unexpected '[' in address")
  if (host.includes(']')) return fail("unexpected ']' in address")
  const portText = text.slice(colon + 1)
  const port = portText === '' ? 0 : Number(portText)
  if (!/^[0-9]*$/.test(portText) || port > 65535) return fail(`invalid port "${portText}"`)
  return { host, port }
}

/** The text form of a host and port, IPv6 in brackets. */
export function printListenAddress({ host, port }: ListenAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
