import assert from 'node:assert/strict'
import test from 'node:test'
import type { FrontPart } from '../../src/chain/plugin.ts'
import { Reply } from '../../src/chain/reply.ts'
import { plugin } from '../../src/plugins/errors/index.ts'
import { Summaries } from '../../src/plugins/errors/summaries.ts'
import { parseWith } from '../support/directives.ts'
import { aLog, aQuery } from '../support/front.ts'
import { aChainQuery, closeAll, openHandler } from '../support/handler.ts'

const TIMEOUT = 'read udp 192.0.2.7:40112->192.0.2.53:53: i/o timeout'

test('a cause becomes a line; replies without one do not', async (t) => {
  const errors = await openHandler(plugin, 'errors')
  t.after(() => closeAll(errors))
  const reply = Reply.unwritten(2, TIMEOUT)
  assert.equal(await errors.ask(aChainQuery('WWW.example.org.', 'AAAA'), async () => reply), reply)
  assert.equal(
    await errors.ask(aChainQuery('b.example.org.'), () => Reply.unwritten(5, 'no')).then(({ rcode }) => rcode),
    5,
  )
  await errors.ask(aChainQuery('a.example.org.'), () => Reply.of({}))
  await errors.ask(aChainQuery('a.example.org.'), () => Reply.unwritten(2))
  assert.deepEqual(errors.log.lines, [`ERROR 2 www.example.org. AAAA: ${TIMEOUT}`, 'ERROR 5 b.example.org. A: no'])
})

test('consolidate: matching errors go to the primary, the first at once, the others together', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const errors = await openHandler(
    plugin,
    'errors {\nconsolidate 5m ".* i/o timeout$"\nconsolidate 1m "refused" warning show_first\n}',
  )
  const fail = (cause: string) => errors.ask(aChainQuery('example.org.'), () => Reply.unwritten(2, cause))
  await fail(TIMEOUT)
  assert.deepEqual(errors.reports, [
    [
      { count: 1, first: `2 example.org. A: ${TIMEOUT}` },
      { count: 0, first: '' },
    ],
  ])
  for (let i = 0; i < 5; i++) await fail(TIMEOUT)
  await fail('connection refused')
  await fail('something else')
  assert.equal(errors.reports.length, 1)
  t.mock.timers.tick(250)
  assert.deepEqual(errors.reports[1], [
    { count: 5, first: `2 example.org. A: ${TIMEOUT}` },
    { count: 1, first: '2 example.org. A: connection refused' },
  ])
  assert.deepEqual(errors.log.lines, ['ERROR 2 example.org. A: something else'])
  await fail(TIMEOUT)
  errors.close()
  assert.deepEqual(errors.reports[2], [
    { count: 1, first: `2 example.org. A: ${TIMEOUT}` },
    { count: 0, first: '' },
  ])
})

test('summaries: one line per pattern and period over all threads; show_first; pending ones at stop', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const options = parseWith(
    plugin,
    'errors {\nconsolidate 5m "timeout$"\nconsolidate 1m "refused" warning show_first\n}',
  )
  const log = aLog()
  const summaries = new Summaries(options, log)
  await summaries.start()
  summaries.onReport([
    { count: 1, first: 'first timeout' },
    { count: 0, first: '' },
  ])
  summaries.onReport([
    { count: 6, first: 'from another thread' },
    { count: 1, first: '2 a. A: refused' },
  ])
  assert.deepEqual(log.lines, ['WARNING 2 a. A: refused'])
  t.mock.timers.tick(60_000)
  assert.deepEqual(log.lines, ['WARNING 2 a. A: refused'], 'one error was shown already')
  t.mock.timers.tick(240_000)
  assert.equal(log.lines[1], "ERROR 7 errors like 'timeout$' occurred in last 5m0s")
  summaries.onReport([
    { count: 2, first: 'x' },
    { count: 3, first: 'y' },
  ])
  await summaries.stop()
  assert.deepEqual(log.lines.slice(2), [
    'WARNING y',
    "ERROR 2 errors like 'timeout$' occurred in last 5m0s",
    "WARNING 3 errors like 'refused' occurred in last 1m0s",
  ])
})

test('set-up', () => {
  const rule = { pattern: '.*', periodMs: 60_000, periodText: '1m0s', level: 'error', showFirst: false }
  const accepted: readonly [string, unknown][] = [
    ['errors', { stacktrace: false, consolidations: [] }],
    ['errors stdout', { stacktrace: false, consolidations: [] }],
    ['errors {\nstacktrace\n}', { stacktrace: true, consolidations: [] }],
    ['errors {\nconsolidate 1m .*\n}', { stacktrace: false, consolidations: [rule] }],
    ['errors {\nconsolidate 1m .* info\n}', { stacktrace: false, consolidations: [{ ...rule, level: 'info' }] }],
    [
      'errors {\nconsolidate 1m .* debug show_first\n}',
      { stacktrace: false, consolidations: [{ ...rule, level: 'debug', showFirst: true }] },
    ],
    [
      'errors {\nconsolidate 1m .* show_first\nconsolidate 1m .*\n}',
      { stacktrace: false, consolidations: [{ ...rule, showFirst: true }, rule] },
    ],
  ]
  for (const [corefile, want] of accepted) assert.deepEqual(parseWith(plugin, corefile), want, corefile)
  const refused: readonly [string, RegExp][] = [
    ['errors visible', /invalid log file: visible/],
    ['errors a b', /Wrong argument count/],
    ['errors\nerrors', /^Corefile:2 - .*only be used once/],
    ['errors {\nfoo\n}', /'foo'/],
    ['errors {\nconsolidate\n}', /Wrong argument count/],
    ['errors {\nconsolidate 1m\n}', /Wrong argument count/],
    ['errors {\nconsolidate 1 .*\n}', /invalid duration "1"/],
    ['errors {\nconsolidate 1m (\n}', /missing closing \)/],
    ['errors {\nconsolidate 1m .* info warning\n}', /multiple log levels/],
    ['errors {\nconsolidate 1m .* show_first info\n}', /must come before show_first/],
    ['errors {\nconsolidate 1m .* loud\n}', /unknown option in consolidate: loud/],
    ['errors {\nconsolidate 1m .* info show_first x\n}', /Wrong argument count/],
    [`errors {\nconsolidate 1m ${'a'.repeat(10_001)}\n}`, /too long: 10001 > 10000/],
  ]
  for (const [corefile, message] of refused)
    assert.throws(() => parseWith(plugin, corefile), { message }, corefile.slice(0, 60))
})

test('it keeps nothing from the front', () => {
  const front = plugin.front!({ stacktrace: false, consolidations: [] }, undefined as never) as FrontPart
  assert.equal(front.concerns!(aQuery({ name: 'example.org' })), false)
})
