import assert from 'node:assert/strict'
import { parseCidr, reverseZones } from '../../../src/corefile/cidr.ts'
import { CorefileError } from '../../../src/corefile/corefile-error.ts'
import { parseGoDuration, printGoDuration } from '../../../src/corefile/go-duration.ts'
import { splitHostPort } from '../../../src/corefile/host-port.ts'
import { ERRORS_MAX } from '../../../src/corefile/parse-corefile.ts'
import { printProblem } from '../../../src/corefile/report.ts'
import { resolveKeys } from '../../../src/corefile/server-keys.ts'
import { printTokens, scanTokens } from '../../../src/corefile/tokens.ts'
import { zonesOfArgument } from '../../../src/corefile/zone-argument.ts'
import { parseCorefile } from '../../support/parse-corefile.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { type FuzzTarget, octets, textOf } from '../target.ts'

// Imports are looked for here, so that a run does not depend on the folder it was started in.
const empty = temporaryFolder()
const environment = { A: 'a.org', B: '{$A}', LOOP: '{$LOOP}', BRACE: '{' }

const SAMPLES = [
  '(snip) {\n  log\n}\na.org, b.org:1053 10.0.0.0/15 {\n  import snip\n  cache 30 {\n    success 10 20\n  }\n  "quoted \\" word" 5m30s # comment\n  x {$A} {%B%}\n}\n',
  '.:53 {\n    errors\n    health {\n       lameduck 5s\n    }\n    kubernetes cluster.local in-addr.arpa ip6.arpa {\n       pods insecure\n       ttl 30\n    }\n    prometheus :9153\n    forward . /etc/resolv.conf {\n       max_concurrent 1000\n    }\n    cache 30\n    loop\n    reload\n    loadbalance\n}\n',
  'example.org\nwhoami\n',
  'dns://.:1053, tls://example.org:853 2001:db8::/32 {\n bind 127.0.0.1\n}\n',
  '(b) {\n log\n}\n(a) {\n import b\n}\n. {\n import a\n}\n',
]

export const corefile: FuzzTarget = {
  name: 'corefile',
  invariant:
    'parseCorefile returns blocks and CorefileErrors and never throws, and the words it cuts a text into survive being printed',
  corpus: SAMPLES.map(octets),
  words: [
    '{',
    '}',
    ' {\n',
    '}\n',
    '"',
    '\\',
    '#',
    '`',
    'import ',
    'import (',
    '(',
    ')',
    ',',
    ':',
    '{$LOOP}',
    '{$B}',

    '{%A%}',
    '\ufeff',
    '/33',
    '2001:db8::/127',
    '999999999h',
    '::',
    '[',
    ']:',

    '\r\n',
  ].map(octets),
  inputsInTest: 150,
  run(input) {
    const text = textOf(input)
    const tokens = scanTokens(text, 'Corefile')
    if (!tokens[0]?.text.startsWith('\ufeff')) {
      const again = scanTokens(printTokens(tokens), 'Corefile')
      assert.deepEqual(
        again.map((token) => token.text),
        tokens.map((token) => token.text),
      )
    }
    const parsed = parseCorefile(text, { file: 'Corefile', workingFolder: empty, environment })
    assert.ok(parsed.errors.length <= ERRORS_MAX)
    for (const error of parsed.errors) {
      assert.ok(error instanceof CorefileError)
      assert.ok(error.at.line >= 1 && error.at.column >= 1)
      const { file, line, column } = error.at
      printProblem({ severity: 'error', file, line, column, problem: error.problem, read: text.split('\n', 1)[0]! })
    }
    for (const block of parsed.blocks) {
      assert.ok(block.keys.length > 0)
      const { keys, errors } = resolveKeys(block.keys, 53)
      assert.ok(errors.every((error) => error instanceof CorefileError))
      for (const { zone, port } of keys) assert.ok(zone.endsWith('.') && port >= 0 && port <= 65_535)
    }
    for (const { text: word } of tokens.slice(0, 200)) {
      splitHostPort(word)
      zonesOfArgument(word)
      const cidr = parseCidr(word)
      if (cidr !== undefined) assert.ok(reverseZones(cidr).length <= 128)
      const ms = parseGoDuration(word)
      if (ms !== undefined) assert.notEqual(parseGoDuration(printGoDuration(ms)), undefined)
    }
    return parsed.errors.length === 0
  },
}
