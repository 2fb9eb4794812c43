import assert from 'node:assert/strict'
import { availableParallelism } from 'node:os'
import test from 'node:test'
import { CorefileError } from '../../../src/corefile/corefile-error.ts'
import { plugin, SOCKETS_MAX } from '../../../src/plugins/multisocket/index.ts'
import { parseWith } from '../../support/directives.ts'

const accepted: [text: string, sockets: number][] = [
  ['multisocket', availableParallelism()],
  ['multisocket 1', 1],
  ['multisocket +2', 2],
  [`multisocket ${SOCKETS_MAX}`, SOCKETS_MAX],
]
for (const [text, sockets] of accepted) test(text, () => assert.deepEqual(parseWith(plugin, text), { sockets }))

const refused: [text: string, want: string][] = [
  ['multisocket 0', 'num sockets can not be zero or negative: 0'],
  ['multisocket -1', 'num sockets can not be zero or negative: -1'],
  [`multisocket ${SOCKETS_MAX + 1}`, `num sockets exceeds maximum (${SOCKETS_MAX}): ${SOCKETS_MAX + 1}`],
  ['multisocket 99999999999999999999', 'num sockets exceeds maximum'],
  ['multisocket two', 'invalid num sockets: "two" is not a whole number'],
  ['multisocket 2.5', 'invalid num sockets: "2.5" is not a whole number'],
  ['multisocket 2 3', "Wrong argument count or unexpected line ending after '3'"],
  ['multisocket 2\nmultisocket 2', "Wrong argument count or unexpected line ending after '2'"],
  ['multisocket 2 {\nx\n}', "Unexpected token '{', expecting argument"],
]
for (const [text, want] of refused) {
  test(`error: ${JSON.stringify(text)}`, () => {
    assert.throws(
      () => parseWith(plugin, text),
      (error) => error instanceof CorefileError && error.problem.startsWith(want),
    )
  })
}
