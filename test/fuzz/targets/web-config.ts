import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { validateHeaderValue } from 'node:http'
import { join } from 'node:path'
import { scanSettings } from '../../../src/plugins/prometheus/settings-file.ts'
import { openWebConfig } from '../../../src/plugins/prometheus/web-config.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { type FuzzTarget, octets, textOf } from '../target.ts'

const folder = temporaryFolder()
const path = join(folder, 'web.yml')
for (const name of ['server.crt', 'server.key', 'ca.crt']) writeFileSync(join(folder, name), 'not looked into')

export const webConfig: FuzzTarget = {
  name: 'web-config',
  invariant:
    'a web configuration file opens, or gives an Error that names the file (or the system’s, for what it names)',
  corpus: [
    'tls_server_config:\n  cert_file: server.crt\n  key_file: "server.key"\n  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n',
    "tls_server_config:\n  cert_file: server.crt # comment\n  key_file: 'server.key'\n  min_version: TLS13\n  cipher_suites:\n    - TLS_AES_128_GCM_SHA256\n  curve_preferences: [CurveP256, X25519]\n",
    'http_server_config:\n  http2: false\n  headers:\n    Strict-Transport-Security: max-age=31536000\n    X-Frame-Options: "deny"\n',
    '---\n',
  ].map(octets),
  words: [
    '  ',
    '\n',
    '\t',
    ': ',
    ':',
    '- ',
    '[',
    ']',
    '{}',
    '"',
    "'",
    "''",
    '#',
    ' #',
    '|',
    '&a',
    '*a',
    '__proto__',
    'constructor',
    'basic_auth_users:\n',
    'headers:\n',
    '\u0000',
    '\u2028',
  ].map(octets),
  inputsInTest: 60,
  async run(input) {
    try {
      scanSettings(textOf(input), path)
    } catch (error) {
      assert.ok(error instanceof Error && error.message.startsWith(`${path}:`), String(error))
    }
    writeFileSync(path, input)
    try {
      const { headers } = await openWebConfig(path, () => {})
      // What can't be a header's value would end the exporter at the first request.
      for (const [name, value] of Object.entries(headers)) validateHeaderValue(name, value)
      return true
    } catch (error) {
      assert.ok(error instanceof Error, String(error))
      const isSystems = 'syscall' in error || (error as NodeJS.ErrnoException).code === 'ERR_INVALID_ARG_VALUE'
      assert.ok(isSystems || error.message.startsWith(`${path}:`), String(error))
      return false
    }
  },
}
