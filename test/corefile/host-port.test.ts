import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import {
  HostPortError,
  hostPortOrFile,
  hostPortsOrFiles,
  isAddress,
  parseHostPort,
  printUpstream,
} from '../../src/corefile/host-port.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const folder = temporaryFolder()
writeFileSync(
  join(folder, 'resolv.conf'),
  '# comment\nnameserver 192.0.2.53\n nameserver 2001:db8::53%eth0 x\nsearch a.org\nnameserver\nnameserver nonsense\n',
)
writeFileSync(join(folder, 'empty.conf'), 'search a.org\n')
writeFileSync(join(folder, 'name:53'), 'nameserver 192.0.2.1\n')
const resolvePath = (path: string) => join(folder, path)

const accepted: [word: string, want: string[]][] = [
  ['192.0.2.1', ['192.0.2.1:53']],
  ['192.0.2.1:1053', ['192.0.2.1:1053']],
  ['2001:db8::1', ['[2001:db8::1]:53']],
  ['[2001:db8::1]', ['[2001:db8::1]:53']],
  ['[2001:db8::1]:1053', ['[2001:db8::1]:1053']],
  ['fe80::1%eth0', ['[fe80::1%eth0]:53']],
  ['[fe80::1%eth0]:54', ['[fe80::1%eth0]:54']],
  ['dns://192.0.2.1', ['192.0.2.1:53']],
  ['tls://192.0.2.1', ['tls://192.0.2.1:853']],
  ['tls://[2001:db8::1]:8853', ['tls://[2001:db8::1]:8853']],
  ['quic://192.0.2.1', ['quic://192.0.2.1:853']],
  ['grpc://192.0.2.1', ['grpc://192.0.2.1:443']],
  ['https://192.0.2.1', ['https://192.0.2.1:443']],
  ['unix:///run/dns', ['unix:///run/dns']],
  ['resolv.conf', ['192.0.2.53:53', '[2001:db8::53]:53']],
  ['name:53', ['192.0.2.1:53']],
  ['empty.conf', []],
]
for (const [word, want] of accepted) {
  test(`${word} is ${want.join(', ') || 'nothing'}`, () =>
    assert.deepEqual(hostPortOrFile(word, resolvePath).map(printUpstream), want))
}

const refused: [word: string, pattern: RegExp][] = [
  ['', /^invalid address: ""$/],
  ['tls://', /^invalid address: "tls:\/\/"$/],
  ['nowhere', /^not an IP address or file "nowhere": failed to open file "nowhere"/],
  ['nowhere:53', /^not an IP address or file "nowhere:53"/],
  ['192.0.2', /^not an IP address or file "192.0.2"/],
  ['192.0.2.1:0', /^"0" in "192.0.2.1:0" is no port/],
  ['192.0.2.1:65536', /is no port/],
  ['192.0.2.1:dns', /is no port/],
  ['192.0.2.1:', /is no port/],
  ['.', /^not an IP address or file "\.": open \.: EISDIR$/],
]
for (const [word, pattern] of refused) {
  test(`${JSON.stringify(word)} is refused`, () => {
    assert.throws(
      () => hostPortOrFile(word, resolvePath),
      (error) => error instanceof HostPortError && pattern.test(error.message),
    )
  })
}

test('words that name no server at all are refused', () => {
  assert.throws(() => hostPortsOrFiles(['empty.conf'], resolvePath), /^HostPortError: no nameservers found$/)
  assert.equal(hostPortsOrFiles(['empty.conf', '192.0.2.1'], resolvePath).length, 1)
})

test('an address with or without a port', () => {
  assert.deepEqual(parseHostPort('192.0.2.1', 53), { host: '192.0.2.1', port: 53 })
  assert.deepEqual(parseHostPort('192.0.2.1:54', 53), { host: '192.0.2.1', port: 54 })
  assert.deepEqual(parseHostPort('192.0.2.1:', 53), { host: '192.0.2.1', port: 53 })
  assert.deepEqual(parseHostPort('[fe80::1%eth0]:54', 53), { host: 'fe80::1%eth0', port: 54 })
  assert.deepEqual(parseHostPort('2001:db8::1', 53), { host: '2001:db8::1', port: 53 })
  assert.throws(() => parseHostPort('example.org:53', 53), /must specify an IP address: `example.org'/)
  assert.throws(() => parseHostPort('resolv.conf', 53), /must specify an IP address: `resolv.conf'/)
})

test('what is an address', () => {
  for (const text of ['1.2.3.4', '::', '::1%lo', 'fe80::1%eth0.1', '::ffff:1.2.3.4']) assert.ok(isAddress(text), text)
  for (const text of ['', '%', '1.2.3.4.5', '1.2.3.04', 'a', '::1%a%b', '[::1]', '1.2.3.4:53'])
    assert.ok(!isAddress(text), text)
})
