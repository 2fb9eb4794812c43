import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OPT_SIZE, putOpt } from '../../src/wire/opt.ts'

const cases = [
  {
    title: 'RFC 6891 6.1.2: root owner, type 41, class is the payload size',
    put: { udpSize: 1232, rcode: 0, dnssecOk: false, options: [] },
    want: [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0],
  },
  {
    title: 'RFC 3225: DO is the first bit of the flags, and the only one',
    put: { udpSize: 512, rcode: 0, dnssecOk: true, options: [] },
    want: [0, 0, 41, 2, 0, 0, 0, 0x80, 0, 0, 0],
  },
  {
    title: 'RFC 6891 6.1.3: the upper eight bits of the RCODE',
    put: { udpSize: 65535, rcode: 16, dnssecOk: false, options: [] },
    want: [0, 0, 41, 255, 255, 1, 0, 0, 0, 0, 0],
  },
  {
    title: 'options as they are, with their length',
    put: { udpSize: 1232, rcode: 0xff5, dnssecOk: false, options: [0, 15, 0, 2, 0, 22] },
    want: [0, 0, 41, 4, 208, 0xff, 0, 0, 0, 0, 6, 0, 15, 0, 2, 0, 22],
  },
]

for (const { title, put, want } of cases) {
  test(title, () => {
    const out = new Uint8Array(64).fill(0xee)
    const options = Uint8Array.from([9, 9, ...put.options])
    const end = putOpt(out, 7, put.udpSize, put.rcode, put.dnssecOk, options, 2, put.options.length)
    assert.equal(end, 7 + OPT_SIZE + put.options.length)
    assert.deepEqual([...out.subarray(7, end)], want)
    assert.equal(out[6], 0xee)
    assert.equal(out[end], 0xee)
  })
}
