import assert from 'node:assert/strict'
import { networkInterfaces } from 'node:os'
import test from 'node:test'
import { CorefileError } from '../../../src/corefile/corefile-error.ts'
import { plugin } from '../../../src/plugins/bind/index.ts'
import { parseWith } from '../../support/directives.ts'

const addresses = (text: string) => parseWith(plugin, text).addresses

const accepted: { title: string; text: string; want: string[] }[] = [
  { title: 'addresses of both families', text: 'bind 127.0.0.1 ::1', want: ['127.0.0.1', '::1'] },
  { title: 'repeats add up', text: 'bind 127.0.0.1\nbind 127.0.0.2', want: ['127.0.0.1', '127.0.0.2'] },
  { title: 'IPv6 in one form', text: 'bind 2001:DB8:0:0::1', want: ['2001:db8::1'] },
  { title: 'a link-local address keeps its zone', text: 'bind fe80::1%lo', want: ['fe80::1%lo'] },
  { title: 'except takes away, however written', text: 'bind ::1 127.0.0.1 {\nexcept 0:0::1\n}', want: ['127.0.0.1'] },
  {
    title: 'except acts on its own directive',
    text: 'bind 127.0.0.1\nbind 127.0.0.1 127.0.0.2 {\nexcept 127.0.0.1\n}',
    want: ['127.0.0.1', '127.0.0.2'],
  },
  { title: 'all may be taken away', text: 'bind 127.0.0.1 {\nexcept 127.0.0.1\n}', want: [] },
]
for (const { title, text, want } of accepted) test(title, () => assert.deepEqual(addresses(text), want))

test('an interface stands for all its addresses', (t) => {
  const [name, list] =
    Object.entries(networkInterfaces()).find(([, each]) => each?.some(({ internal }) => internal)) ?? []
  if (name === undefined || list === undefined) return t.skip('no loopback interface')
  const all = addresses(`bind ${name}`)
  assert.equal(all.length, list.length)
  assert.ok(all.includes('127.0.0.1') || all.includes('::1'))
  assert.deepEqual(addresses(`bind ${name} {\nexcept ${name}\n}`), [])
})

const refused: { title: string; text: string; want: string }[] = [
  { title: 'no address', text: 'bind', want: 'at least one address or interface name is expected' },
  {
    title: 'no address, no interface',
    text: 'bind 10.0.0.300',
    want: 'not a valid IP address or interface name: "10.0.0.300"',
  },
  {
    title: 'an address with a port',
    text: 'bind 127.0.0.1:53',
    want: 'not a valid IP address or interface name: "127.0.0.1:53"',
  },
  {
    title: 'an empty except',
    text: 'bind 127.0.0.1 {\nexcept\n}',
    want: 'at least one address or interface must be given to except subdirective',
  },
  {
    title: 'no address in except',
    text: 'bind 127.0.0.1 {\nexcept __proto__\n}',
    want: 'not a valid IP address or interface name: "__proto__"',
  },
  { title: 'another option', text: 'bind 127.0.0.1 {\nexpect 127.0.0.1\n}', want: 'invalid option "expect"' },
]
for (const { title, text, want } of refused) {
  test(`error: ${title}`, () => {
    assert.throws(
      () => addresses(text),
      (error) => error instanceof CorefileError && error.problem === want,
    )
  })
}
