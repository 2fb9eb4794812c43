/**
 * The web configuration file of the Prometheus exporter toolkit: TLS for /metrics, response headers. Certificates are read
 * again when their files change.
 *
 *   tls_server_config:
 *     cert_file: server.crt        # relative to the configuration file
 *     key_file: server.key
 *     client_auth_type: RequireAndVerifyClientCert
 *     client_ca_file: ca.crt
 *   http_server_config:
 *     headers:
 *       Strict-Transport-Security: max-age=31536000
 */
import { readFile, stat } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { dirname, isAbsolute, join } from 'node:path'
import type { SecureVersion, TLSSocket, TlsOptions } from 'node:tls'
import { builtins } from '../../node-builtins.ts'
import type { HttpReply, TlsSetup } from '../../observe/http-endpoint.ts'
import { type Settings, scanSettings } from './settings-file.ts'

/** Between looks at the certificate files. */
const CERTIFICATE_CHECK_MS = 10_000

export interface WebConfig {
  readonly tls: TlsSetup | undefined
  /** Headers that every reply carries. */
  readonly headers: Readonly<Record<string, string>>
  /** A reply that refuses the request, or undefined when it may be answered. */
  refuse(request: IncomingMessage): HttpReply | undefined
}

const VERSIONS = new Map<string, SecureVersion>([
  ['TLS10', 'TLSv1'],
  ['TLS11', 'TLSv1.1'],
  ['TLS12', 'TLSv1.2'],
  ['TLS13', 'TLSv1.3'],
])

const CLIENT_AUTH_TYPES = new Map<
  string,
  { readonly ask: boolean; readonly verify: boolean; readonly require: boolean }
>([
  ['', { ask: false, verify: false, require: false }],
  ['NoClientCert', { ask: false, verify: false, require: false }],
  ['RequestClientCert', { ask: true, verify: false, require: false }],
  ['RequireAnyClientCert', { ask: true, verify: false, require: true }],
  ['RequireClientCert', { ask: true, verify: false, require: true }],
  ['VerifyClientCertIfGiven', { ask: true, verify: true, require: false }],
  ['RequireAndVerifyClientCert', { ask: true, verify: true, require: true }],
])

/** Headers of HTTP/1.1 replies that a configuration may set. */
const HEADERS = [
  'Content-Security-Policy',
  'Strict-Transport-Security',
  'X-Content-Type-Options',
  'X-Frame-Options',
  'X-XSS-Protection',
]

/** Reads and checks the file. Rejects with an Error that names the file and what is wrong. */
export async function openWebConfig(path: string, onProblem: (problem: string) => void): Promise<WebConfig> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch {
    throw new Error(`TLS config file does not exist: ${path}`)
  }
  const settings = scanSettings(text, path)
  const allowed = ['tls_server_config', 'http_server_config']
  for (const [name] of settings.entries()) {
    if (name === 'basic_auth_users') {
      throw new Error(`${path}: basic_auth_users is not supported: use client certificates (client_auth_type)`)
    }
    if (!allowed.includes(name)) throw new Error(`${path}: field ${name} not found`)
  }
  const tlsSettings = settings.get('tls_server_config')
  const tls = tlsSettings === undefined ? undefined : new ServerTls(asSettings(tlsSettings, path), path, onProblem)
  await tls?.load()
  return { tls, headers: headersOf(settings, path), refuse: (request) => tls?.refuse(request) }
}

class ServerTls implements TlsSetup {
  readonly id: string
  readonly #files: { readonly cert: string; readonly key: string; readonly ca: string | undefined }
  readonly #clientAuth: { readonly ask: boolean; readonly verify: boolean; readonly require: boolean }
  readonly #fixed: TlsOptions
  readonly #onProblem: (problem: string) => void
  #options: TlsOptions = {}
  #seen = ''

  constructor(settings: Settings, path: string, onProblem: (problem: string) => void) {
    const text = (name: string): string | undefined => {
      const value = settings.get(name)
      if (value !== undefined && typeof value !== 'string') throw new Error(`${path}: ${name} is not a text`)
      return value
    }
    const file = (name: string): string | undefined => {
      const value = text(name)
      return value === undefined || value === '' ? undefined : isAbsolute(value) ? value : join(dirname(path), value)
    }
    const known = new Set([
      'cert_file',
      'key_file',
      'client_auth_type',
      'client_ca_file',
      'min_version',
      'max_version',
      'cipher_suites',
      'prefer_server_cipher_suites',
      'curve_preferences',
    ])
    for (const name of settings.keys()) if (!known.has(name)) throw new Error(`${path}: field ${name} not found`)
    const cert = file('cert_file')
    const key = file('key_file')
    if (cert === undefined) throw new Error(`${path}: missing one of cert or cert_file`)
    if (key === undefined) throw new Error(`${path}: missing one of key or key_file`)
    const clientAuth = CLIENT_AUTH_TYPES.get(text('client_auth_type') ?? '')
    if (clientAuth === undefined) throw new Error(`${path}: Invalid ClientAuth: ${text('client_auth_type')}`)
    const ca = file('client_ca_file')
    if (ca !== undefined && !clientAuth.ask) {
      throw new Error(`${path}: client CA's have been configured without a Client Auth Policy`)
    }
    const version = (name: string, fallback: SecureVersion): SecureVersion => {
      const value = text(name)
      const found = value === undefined ? fallback : VERSIONS.get(value)
      if (found === undefined) throw new Error(`${path}: unknown TLS version: ${value}`)
      return found
    }
    this.#files = { cert, key, ca }
    this.#clientAuth = clientAuth
    this.#onProblem = onProblem
    this.#fixed = {
      requestCert: clientAuth.ask,
      rejectUnauthorized: clientAuth.verify && clientAuth.require,
      minVersion: version('min_version', 'TLSv1.2'),
      maxVersion: version('max_version', 'TLSv1.3'),
      honorCipherOrder: text('prefer_server_cipher_suites') !== 'false',
      ...cipherOptions(settings.get('cipher_suites'), settings.get('curve_preferences'), path),
    }
    this.id = JSON.stringify([path, [...settings]])
  }

  options(): TlsOptions {
    return this.#options
  }

  /** Reads the certificates. Rejects when one can't be read. */
  async load(): Promise<void> {
    const { cert, key, ca } = this.#files
    this.#seen = await this.#stamp()
    this.#options = {
      ...this.#fixed,
      cert: await readFile(cert),
      key: await readFile(key),
      ...(ca === undefined ? {} : { ca: await readFile(ca) }),
    }
  }

  watch(update: (options: TlsOptions) => void): () => void {
    const timer = setInterval(() => void this.#check(update), CERTIFICATE_CHECK_MS)
    timer.unref()
    return () => clearInterval(timer)
  }

  /** VerifyClientCertIfGiven: the handshake takes any certificate, so a bad one is refused here. */
  refuse(request: IncomingMessage): HttpReply | undefined {
    if (!this.#clientAuth.ask || this.#fixed.rejectUnauthorized === true) return undefined
    const socket = request.socket as TLSSocket
    const isGiven = Object.keys(socket.getPeerCertificate()).length > 0
    if (!isGiven) return this.#clientAuth.require ? { status: 403, body: 'Forbidden\n' } : undefined
    return this.#clientAuth.verify && !socket.authorized ? { status: 403, body: 'Forbidden\n' } : undefined
  }

  async #check(update: (options: TlsOptions) => void): Promise<void> {
    try {
      if ((await this.#stamp()) === this.#seen) return
      await this.load()
      update(this.#options)
    } catch (error) {
      this.#onProblem(`Failed to load certificates: ${(error as Error).message}`)
    }
  }

  async #stamp(): Promise<string> {
    const { cert, key, ca } = this.#files
    const files = ca === undefined ? [cert, key] : [cert, key, ca]
    const stats = await Promise.all(files.map((file) => stat(file)))
    return stats.map(({ mtimeMs, size }) => `${mtimeMs} ${size}`).join(' ')
  }
}

/** Go's cipher suite names are IANA's; OpenSSL takes those of TLS 1.3 only, the others under its own names. */
function cipherOptions(suites: unknown, curves: unknown, path: string): TlsOptions {
  const options: TlsOptions = {}
  if (suites !== undefined) options.ciphers = listOf(suites, path, 'cipher_suites').map(openSslCipher).join(':')
  if (curves !== undefined) {
    const names = listOf(curves, path, 'curve_preferences')
    options.ecdhCurve = names.map((name) => name.replace(/^CurveP(\d+)$/, 'P-$1')).join(':')
  }
  return options
}

function openSslCipher(name: string): string {
  if (!name.includes('_WITH_')) return name
  return name
    .replace(/^TLS_/, '')
    .replace(/^RSA_WITH_/, '')
    .replace('_WITH_', '_')
    .replace(/AES_(\d+)/, 'AES$1')
    .replace(/CHACHA20_POLY1305(_SHA256)?$/, 'CHACHA20_POLY1305')
    .replace(/_CBC_/, '_')
    .replaceAll('_', '-')
    .replace('CHACHA20-POLY1305', 'CHACHA20-POLY1305')
}

function headersOf(settings: Settings, path: string): Record<string, string> {
  const http = settings.get('http_server_config')
  const headers: Record<string, string> = {}
  if (http === undefined) return headers
  for (const [name, value] of asSettings(http, path)) {
    // HTTP/2 is never offered here, so switching it off changes nothing.
    if (name === 'http2') continue
    if (name !== 'headers') throw new Error(`${path}: field ${name} not found`)
    for (const [header, text] of asSettings(value, path)) {
      if (!HEADERS.includes(header) || typeof text !== 'string') {
        throw new Error(`${path}: HTTP header "${header}" can not be configured`)
      }
      try {
        builtins.http.validateHeaderValue(header, text)
      } catch {
        throw new Error(`${path}: HTTP header "${header}" has a character that no header may have`)
      }
      headers[header] = text
    }
  }
  return headers
}

function asSettings(value: unknown, path: string): Settings {
  if (!(value instanceof Map)) throw new Error(`${path}: a mapping is expected`)
  return value
}

function listOf(value: unknown, path: string, name: string): readonly string[] {
  if (!Array.isArray(value)) throw new Error(`${path}: ${name} is not a list`)
  return value
}
