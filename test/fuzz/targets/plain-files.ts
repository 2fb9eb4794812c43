/** Small line-by-line files: hosts, resolv.conf, weights. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { CorefileError } from '../../../src/corefile/corefile-error.ts'
import { parseResolver, parseTarget } from '../../../src/plugins/forward/targets.ts'
import { HostTable } from '../../../src/plugins/hosts/host-table.ts'
import { parseWeights } from '../../../src/plugins/loadbalance/weight-file.ts'
import { lowerCased, nameSize } from '../../../src/wire/name.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { type FuzzTarget, octets, textOf, toHex, unlessRefused } from '../target.ts'

const ADDRESS_WORDS = [
  '192.0.2.1',
  '::1',
  '2001:db8::',
  '::ffff:192.0.2.1',
  'fe80::1%eth0',
  '256.1.1.1',
  '1.2.3',
  '::g',
]
const LINE_WORDS = ['\n', '\r\n', ' ', '\t', '#', '\\', '.', '..', '*', '%', '\u0000', '\u00a0', 'ä']

export const hostsFile: FuzzTarget = {
  name: 'hosts-file',
  invariant:
    'HostTable takes any line without a throw; its names are valid and lower-case, its addresses of 4 or 16 octets',
  corpus: [
    '127.0.0.1 localhost localhost.localdomain\n::1 ip6-localhost # comment\n192.0.2.1 Web.example www.example.\n',
    '# nothing\n\n192.0.2.2\ta.example\tb.example\r\n2001:db8::1 *.wild.example\n',
    '::ffff:192.0.2.3 mapped.example\nfe80::1%eth0 link.example\n',
  ].map(octets),
  words: [...ADDRESS_WORDS, ...LINE_WORDS, 'a'.repeat(64), 'a.'.repeat(128)].map(octets),
  run(input) {
    const table = new HostTable(['.'], true)
    for (const line of textOf(input).split('\n')) table.addLine(line)
    for (const { owner, a, aaaa, ptr } of table.values()) {
      for (const name of [owner, ...ptr]) {
        assert.equal(nameSize(name, 0, name.length), name.length)
        assert.equal(toHex(lowerCased(name)), toHex(name))
      }
      assert.ok(a.every(({ length }) => length === 4) && aaaa.every(({ length }) => length === 16))
    }
    return table.entries > 0
  },
}

const folder = temporaryFolder()
const resolvConfFile = join(folder, 'resolv.conf')
const AT = { file: 'Corefile', line: 1, column: 1 }

export const resolvConf: FuzzTarget = {
  name: 'resolv-conf',
  invariant:
    'a TO that names a file gives addresses only, whatever is in the file; nothing but a CorefileError is thrown',
  corpus: [
    'nameserver 192.0.2.53\nnameserver 2001:db8::53\nsearch example.org\noptions ndots:5\n',
    '# comment\n; comment\n  nameserver\tfe80::1%eth0\r\nnameserver 192.0.2.54 # trailing\n',
  ].map(octets),
  words: ['nameserver ', 'nameserver', ...ADDRESS_WORDS, ...LINE_WORDS].map(octets),
  inputsInTest: 120,
  run(input) {
    writeFileSync(resolvConfFile, input)
    const targets = parseTarget({ text: resolvConfFile, at: AT })
    for (const target of targets) {
      assert.ok(target.kind === 'address')
      assert.ok(isIP(target.address.host) !== 0 && target.address.port === 53, target.address.host)
    }
    return targets.length > 0
  },
}

/** Texts that could name a file of this machine are left out: what is in it is no part of the input. */
export const upstreamAddress: FuzzTarget = {
  name: 'upstream-address',
  invariant: 'a TO word gives targets with a valid port, or a CorefileError',
  corpus: [
    '192.0.2.53',
    '192.0.2.53:5353',
    '[2001:db8::53]:53',
    '2001:db8::53',
    'tls://192.0.2.53%dns.example:853',
    'dns://[fe80::1%eth0]:53',
    'https://192.0.2.53',
    'ns.example',
  ].map(octets),
  words: ['tls://', 'dns://', 'https://', 'quic://', '%', '[', ']', ':', ':0', ':65536', '::', ...ADDRESS_WORDS].map(
    octets,
  ),
  run(input) {
    const text = textOf(input)
    parseResolver(text)
    if (/^(?:\w+:\/\/)?[./~]|^\w*$|\//.test(text.replace(/^\w+:\/\//, ''))) return false
    const targets = unlessRefused(() => parseTarget({ text, at: AT }), CorefileError)
    for (const target of targets ?? []) {
      const { port } = target.kind === 'address' ? target.address : target
      assert.ok(port > 0 && port <= 65_535)
      if (target.kind === 'address') assert.ok(isIP(target.address.host) !== 0, target.address.host)
    }
    return targets !== undefined
  },
}

export const weightFile: FuzzTarget = {
  name: 'weight-file',
  invariant:
    'parseWeights throws only an Error that starts with FILE:LINE; names are found again, weights are 1 to 255',
  corpus: ['www.example.org\n  192.0.2.1 3\n 2001:db8::1 255\n# comment\n\nb.example\n192.0.2.2 1\n', ''].map(octets),
  words: [...ADDRESS_WORDS, ...LINE_WORDS, ' 0', ' 256', ' 1'].map(octets),
  run(input) {
    try {
      parseWeights(textOf(input), 'weights')
      return true
    } catch (error) {
      assert.ok(error instanceof Error && /^weights:\d+: /.test(error.message), String(error))
      return false
    }
  },
}
