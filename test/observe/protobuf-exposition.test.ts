import assert from 'node:assert/strict'
import test from 'node:test'
import { Counter, Gauge, Histogram, Registry, Summary } from 'prom-client'
import { figuresOf } from '../../src/messages/figures.ts'
import { encodeProtobuf, prefersProtobuf } from '../../src/observe/protobuf-exposition.ts'
import { ProtobufReader } from '../../src/sources/kubernetes/api/protobuf.ts'

/** A message as [field, value] pairs: a number, a double, or octets. */
type Fields = [number, number | Buffer][]

function decode(octets: Buffer): Fields {
  const fields: Fields = []
  const reader = new ProtobufReader(octets)
  while (reader.nextField()) {
    const { number, value, valueAt, valueEnd, wireType } = reader
    if (wireType === 0) fields.push([number, value])
    else if (wireType === 1) fields.push([number, octets.readDoubleLE(valueAt)])
    else {
      assert.equal(wireType, 2)
      fields.push([number, octets.subarray(valueAt, valueEnd)])
    }
  }
  return fields
}

/** Families as readable lists: strings for the fields that are text, lists for messages. */
function families(octets: Buffer): unknown[] {
  const found: unknown[] = []
  for (let at = 0; at < octets.length; ) {
    let length = 0
    for (let scale = 1; ; scale *= 128) {
      const octet = octets[at++]!
      length += (octet & 0x7f) * scale
      if (octet < 0x80) break
    }
    found.push(
      decode(octets.subarray(at, at + length)).map(([field, value]) => {
        if (field === 1 || field === 2) return Buffer.from(value as Buffer).toString()
        if (field === 3) return value
        return decode(value as Buffer).map(([inner, content]) => {
          const parts = decode(content as Buffer)
          if (inner === 1) return parts.map(([, part]) => Buffer.from(part as Buffer).toString()).join('=')
          return [inner, ...parts.map(([n, part]) => (typeof part === 'number' ? [n, part] : [n, decode(part)]))]
        })
      }),
    )
    at += length
  }
  return found
}

test('every type of metric, its labels and values', async () => {
  const registers = [new Registry()]
  const counter = new Counter({ name: 'c_total', help: 'C \u00fc.', labelNames: ['zone'], registers })
  counter.inc({ zone: '.' }, 2 ** 40 + 0.5)
  new Gauge({ name: 'g', help: 'G.', registers }).set(-1.5)
  const histogram = new Histogram({ name: 'h', help: 'H.', labelNames: ['to'], buckets: [0.25, 300], registers })
  for (const value of [0.1, 0.2, 299, 301]) histogram.observe({ to: 'a' }, value)
  histogram.observe({ to: 'b' }, 1)
  new Summary({ name: 's', help: 'S.', percentiles: [0.5], registers }).observe(4)
  assert.deepEqual(families(encodeProtobuf(await figuresOf(registers[0]!))), [
    ['c_total', 'C \u00fc.', 0, ['zone=.', [3, [1, 2 ** 40 + 0.5]]]],
    ['g', 'G.', 1, [[2, [1, -1.5]]]],
    [
      'h',
      'H.',
      4,
      [
        'to=a',
        [
          7,
          [
            3,
            [
              [1, 2],
              [2, 0.25],
            ],
          ],
          [
            3,
            [
              [1, 3],
              [2, 300],
            ],
          ],
          [2, 600.3],
          [1, 4],
        ],
      ],
      [
        'to=b',
        [
          7,
          [
            3,
            [
              [1, 0],
              [2, 0.25],
            ],
          ],
          [
            3,
            [
              [1, 1],
              [2, 300],
            ],
          ],
          [2, 1],
          [1, 1],
        ],
      ],
    ],
    [
      's',
      'S.',
      2,
      [
        [
          4,
          [
            3,
            [
              [1, 0.5],
              [2, 4],
            ],
          ],
          [2, 4],
          [1, 1],
        ],
      ],
    ],
  ])
})

test('protobuf only for those who like it at least as well as text', () => {
  const protobuf = 'application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited'
  const cases: readonly [string, boolean][] = [
    ['', false],
    ['*/*', false],
    [protobuf, true],
    [`${protobuf};q=0.7,text/plain;version=0.0.4;q=0.3`, true],
    // Prometheus without native histograms.
    [`application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1`, false],
    [`${protobuf};q=0.2,text/plain;q=0.9`, false],
    [`${protobuf};q=0`, false],
    ['application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text', false],
    ['application/vnd.google.protobuf;proto=other.Message;encoding=delimited', false],
  ]
  for (const [accept, want] of cases) assert.equal(prefersProtobuf(accept), want, accept)
})
