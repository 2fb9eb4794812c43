/** One `forward` directive to its stanza. Pure, but for the files it names. Throws CorefileError. */
import { readFileSync } from 'node:fs'
import type { ParseContext } from '../../chain/plugin.ts'
import { CorefileError } from '../../corefile/corefile-error.ts'
import type { Directive, Property, Token } from '../../corefile/directive.ts'
import { parseGoDuration, printGoDuration } from '../../corefile/go-duration.ts'
import { unknownProperty, wrongArguments } from '../../corefile/option-table.ts'
import { builtins } from '../../node-builtins.ts'
import { rcodeNumber } from '../../rdata/rr-types.ts'
import { addressFamily } from '../../wire/address.ts'
import { normalizeZone } from '../../wire/name.ts'
import { onlyArgument } from '../usage.ts'
import { DEFAULTS, type Policy, type Stanza, type StanzaSettings, TARGETS_MAX, type Target } from './options.ts'
import { parseResolver, parseTarget } from './targets.ts'
import type { TlsFiles, UpstreamAddress } from './upstream/upstream-address.ts'

const COUNT_MAX = 0xffffffff

type Change = { -readonly [K in keyof StanzaSettings]?: StanzaSettings[K] }
type OptionParser = (property: Property, context: ParseContext) => Change

/** One row per option: what it changes, with an example where a word is wrong. */
const OPTIONS: Record<string, OptionParser> = {
  except(property, context) {
    if (property.args.length === 0) throw wrongArguments(property, 'except example.org')
    return { except: context.origins(property.args) }
  },
  force_tcp: (property) => flag(property, { forceTcp: true }),
  prefer_udp: (property) => flag(property, { preferUdp: true }),
  next_on_nodata: (property) => flag(property, { nextOnNodata: true }),
  failfast_all_unhealthy_upstreams: (property) => flag(property, { failfast: true }),
  expire: (property) => ({ expireMs: duration(property, 'expire 10s') }),
  max_age: (property) => ({ maxAgeMs: duration(property, 'max_age 30s') }),
  read_timeout(property) {
    const readTimeoutMs = duration(property, 'read_timeout 2s')
    if (readTimeoutMs === 0) {
      throw new CorefileError(
        property.at,
        `read_timeout must be positive: ${property.args[0]!.text}`,
        'read_timeout 2s',
      )
    }
    return { readTimeoutMs }
  },
  max_idle_conns: (property) => ({ maxIdleConnections: count(property, 'max_idle_conns 8') }),
  max_fails: (property) => ({ maxFails: count(property, 'max_fails 2') }),
  max_connect_attempts: (property) => ({ maxConnectAttempts: count(property, 'max_connect_attempts 4') }),
  max_concurrent: (property) => ({ maxConcurrent: count(property, 'max_concurrent 1000') }),
  health_check: (property) => ({ healthCheck: healthCheck(property) }),
  doh_method: (property) => ({ dohMethod: choice(property, ['POST', 'GET']) }),
  policy(property) {
    const { text, at } = onlyArgument(property, 'policy round_robin')
    if (text !== 'random' && text !== 'round_robin' && text !== 'sequential') {
      throw new CorefileError(at, `unknown policy '${text}'`, 'policy random, round_robin or sequential')
    }
    return { policy: text satisfies Policy }
  },
  next: (property) => ({ next: rcodes(property, 'next NXDOMAIN') }),
  failover(property) {
    const failover = rcodes(property, 'failover SERVFAIL REFUSED')
    if (failover.includes(0)) {
      throw new CorefileError(property.at, 'NoError cannot be used in failover', 'failover SERVFAIL REFUSED')
    }
    return { failover }
  },
  tls: (property, context) => ({ tls: tlsFiles(property, context) }),
  tls_servername: (property) => ({ tlsServerName: onlyArgument(property, 'tls_servername dns.example.org').text }),
  source_address(property) {
    const { text, at } = onlyArgument(property, 'source_address 192.0.2.1')
    if (addressFamily(text) === 0)
      throw new CorefileError(at, `invalid IP address: ${text}`, 'source_address 192.0.2.1')
    return { sourceAddress: text.replace(/^::ffff:(?=\d+\.)/i, '') }
  },
  resolver(property) {
    if (property.args.length === 0) throw wrongArguments(property, 'resolver 192.0.2.53')
    return { resolvers: property.args.map(resolver) }
  },
}

/** Options that add up when they are written several times; of the others the last one counts. */
const CUMULATIVE: ReadonlySet<string> = new Set<keyof StanzaSettings>(['except', 'next', 'failover'])

export function parseStanza(directive: Directive, context: ParseContext): Stanza {
  const [from, ...to] = directive.args
  if (from === undefined || to.length === 0) throw wrongArguments(directive, 'forward . 192.0.2.53')
  const settings = parseSettings(directive.block ?? [], context)
  const zones = context.origins([from])
  const [zone] = zones
  if (zone === undefined) throw new CorefileError(from.at, `unable to normalize '${from.text}'`, 'forward . 192.0.2.53')
  if (zones.length > 1) {
    context.warn(from.at, `Unsupported CIDR notation: '${from.text}' expands to multiple zones. Using only '${zone}'.`)
  }
  const entries: Target[][] = to.map(parseTarget).filter((targets) => targets.length > 0)
  if (entries.length > TARGETS_MAX) {
    throw new CorefileError(to[TARGETS_MAX]!.at, `more than ${TARGETS_MAX} TOs configured: ${entries.length}`)
  }
  const targets = entries.flat()
  if (targets.length === 0) throw new CorefileError(directive.at, 'no valid upstream addresses found')
  for (const target of targets) checkServerName(target, settings.tlsServerName)
  if (settings.maxAgeMs > 0 && settings.maxAgeMs < settings.expireMs) {
    const maxAge = printGoDuration(settings.maxAgeMs)
    const expire = printGoDuration(settings.expireMs)
    throw new CorefileError(directive.at, `max_age (${maxAge}) must not be less than expire (${expire})`, 'max_age 30s')
  }
  return { ...settings, at: directive.at, from: zone, targets }
}

function parseSettings(block: readonly Property[], context: ParseContext): StanzaSettings {
  let settings = DEFAULTS
  for (const property of block) {
    const parse = Object.hasOwn(OPTIONS, property.name) ? OPTIONS[property.name] : undefined
    if (parse === undefined) throw unknownProperty(property, Object.keys(OPTIONS))
    const change = parse(property, context)
    for (const [key, value] of Object.entries(change)) {
      if (!CUMULATIVE.has(key)) continue
      const before = settings[key as 'next']
      Object.assign(change, { [key]: [...before, ...(value as number[])] })
    }
    settings = { ...settings, ...change }
  }
  return settings
}

function checkServerName(target: Target, tlsServerName: string | undefined): void {
  const { at } = target
  const { protocol, serverName, text } =
    target.kind === 'address' ? { ...target.address, text: target.text } : { ...target, text: target.hostName }
  if (protocol !== 'tls' || serverName === undefined || tlsServerName === undefined) return
  throw new CorefileError(
    at,
    `both forward ('${tlsServerName}') and proxy level ('${serverName}') TLS servernames are set for upstream proxy '${text}'`,
  )
}

function flag(property: Property, change: Change): Change {
  if (property.args.length > 0) throw wrongArguments(property, property.name)
  return change
}

function duration(property: Property, example: string): number {
  const { text, at } = onlyArgument(property, example)
  const ms = parseGoDuration(text)
  if (ms === undefined) throw new CorefileError(at, `time: invalid duration "${text}"`, example)
  if (ms < 0) throw new CorefileError(at, `${property.name} can't be negative: ${text}`, example)
  return ms
}

function count(property: Property, example: string): number {
  const { text, at } = onlyArgument(property, example)
  if (/^-[0-9]+$/.test(text)) {
    throw new CorefileError(at, `${property.name} can't be negative: ${text}: invalid count`, example)
  }
  if (!/^[0-9]{1,10}$/.test(text) || Number(text) > COUNT_MAX) {
    throw new CorefileError(at, `"${text}" is an invalid count for ${property.name}`, example)
  }
  return Number(text)
}

function choice<T extends string>(property: Property, choices: readonly T[]): T {
  const { text, at } = onlyArgument(property, `${property.name} ${choices[0]}`)
  const found = choices.find((each) => each === text)
  if (found === undefined) {
    throw new CorefileError(
      at,
      `${property.name} must be either ${choices.join(' or ')}`,
      `${property.name} ${choices[0]}`,
    )
  }
  return found
}

function healthCheck(property: Property): StanzaSettings['healthCheck'] {
  const example = 'health_check 0.5s no_rec domain example.org'
  const [interval, ...words] = property.args
  if (interval === undefined) throw wrongArguments(property, example)
  const intervalMs = parseGoDuration(interval.text)
  if (intervalMs === undefined) {
    throw new CorefileError(interval.at, `time: invalid duration "${interval.text}"`, example)
  }
  if (intervalMs < 0) {
    throw new CorefileError(interval.at, `health_check can't be negative: ${interval.text}`, example)
  }
  let recursionDesired = true
  let domain = '.'
  for (let i = 0; i < words.length; i++) {
    const { text, at } = words[i]!
    if (text === 'no_rec') recursionDesired = false
    else if (text === 'domain') {
      const name = words[++i]
      if (name === undefined) throw wrongArguments(property, example)
      try {
        domain = normalizeZone(name.text)
      } catch {
        throw new CorefileError(name.at, `health_check: invalid domain name ${name.text}`, example)
      }
    } else throw new CorefileError(at, `health_check: unknown option ${text}`, example)
  }
  return { intervalMs, recursionDesired, domain }
}

function rcodes(property: Property, example: string): number[] {
  if (property.args.length === 0) throw wrongArguments(property, example)
  return property.args.map(({ text, at }) => {
    const rcode = rcodeNumber(text.toUpperCase())
    if (rcode === undefined) throw new CorefileError(at, `${text} is not a valid rcode`, example)
    return rcode
  })
}

function resolver({ text, at }: Token): UpstreamAddress {
  const address = parseResolver(text)
  if (address === undefined) {
    throw new CorefileError(at, `resolver must be an IP address or IP:port: "${text}"`, 'resolver 192.0.2.53:53')
  }
  return address
}

/** `tls`, `tls CA`, `tls CERT KEY`, `tls CERT KEY CA`. */
function tlsFiles(property: Property, context: ParseContext): TlsFiles {
  const [first, second, third] = property.args
  if (property.args.length > 3) throw wrongArguments(property, 'tls cert.pem key.pem ca.pem')
  if (first === undefined) return {}
  const read = (token: Token): string => {
    try {
      return readFileSync(context.resolvePath(token.text), 'utf8')
    } catch (error) {
      throw new CorefileError(token.at, `could not read ${token.text}: ${(error as Error).message}`)
    }
  }
  const files: TlsFiles =
    second === undefined
      ? { ca: read(first) }
      : { cert: read(first), key: read(second), ...(third === undefined ? {} : { ca: read(third) }) }
  try {
    builtins.tls.createSecureContext({ ...files })
  } catch (error) {
    throw new CorefileError(property.at, `could not use the TLS files: ${(error as Error).message}`)
  }
  // OpenSSL reads over a CA file without a certificate in it; every handshake would fail then.
  if (files.ca !== undefined && !files.ca.includes('-----BEGIN')) {
    throw new CorefileError(property.at, 'could not use the TLS files: the CA file holds no certificate')
  }
  return files
}
