import assert from 'node:assert/strict'
import test from 'node:test'
import type { FrontPart } from '../../src/chain/plugin.ts'
import { plugin } from '../../src/plugins/cancel/index.ts'
import { parseWith } from '../support/directives.ts'
import { aQuery } from '../support/front.ts'
import { aChainQuery, NEXT_CAUSE, openHandler } from '../support/handler.ts'

test('a query gets a deadline; an earlier one stays', async () => {
  const cancel = await openHandler(plugin, 'cancel 2s')
  const query = aChainQuery('example.org.')
  const before = performance.now()
  assert.equal((await cancel.ask(query)).cause, NEXT_CAUSE)
  assert.ok(query.deadlineMs >= before + 2000 && query.deadlineMs <= performance.now() + 2000)
  assert.equal(query.with({ qname: 'www.example.org.' }).deadlineMs, query.deadlineMs)
  const hurried = aChainQuery('example.org.')
  hurried.deadlineMs = 5
  await cancel.ask(hurried)
  assert.equal(hurried.deadlineMs, 5)
})

test('set-up', () => {
  const accepted: readonly [string, number][] = [
    ['cancel', 5001],
    ['cancel 5s', 5000],
    ['cancel 250ms', 250],
    ['cancel {\n}', 5001],
  ]
  for (const [corefile, timeoutMs] of accepted) assert.deepEqual(parseWith(plugin, corefile), { timeoutMs })
  const refused: readonly [string, RegExp][] = [
    ['cancel 5', /invalid duration: "5"/],
    ['cancel -1s', /invalid negative duration: "-1s"/],
    ['cancel 0s', /invalid negative duration/],
    ['cancel 1s 2s', /Wrong argument count/],
    ['cancel {\nx\n}', /no options/],
  ]
  for (const [corefile, message] of refused) assert.throws(() => parseWith(plugin, corefile), { message })
})

test('it keeps nothing from the front', () => {
  const front = plugin.front!({ timeoutMs: 1 }, undefined as never) as FrontPart
  assert.equal(front.concerns!(aQuery({ name: 'example.org' })), false)
})
