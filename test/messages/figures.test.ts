import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { FigureLedger, type Figures, figuresOf, sumFigures } from '../../src/messages/figures.ts'

async function figures(counted: number, gauge: number): Promise<Figures> {
  const registry = new Registry()
  const registers = [registry]
  new Counter({ name: 'c_total', help: 'c', labelNames: ['a'], registers }).inc({ a: 'x' }, counted)
  new Histogram({ name: 'h', help: 'h', buckets: [1, 2], registers }).observe(1.5)
  new Gauge({ name: 'g', help: 'g', registers }).set(gauge)
  return figuresOf(registry)
}

async function lines(ledger: FigureLedger<string>): Promise<string[]> {
  return (await sumFigures(await ledger.all()).metrics()).split('\n').filter((line) => /^[cgh]/.test(line))
}

test('the living are summed, by label', async () => {
  const ledger = new FigureLedger<string>()
  ledger.note('a', [await figures(3, 10)])
  ledger.note('b', [await figures(4, 20)])
  assert.deepEqual(await lines(ledger), [
    'c_total{a="x"} 7',
    'h_bucket{le="1"} 0',
    'h_bucket{le="2"} 2',
    'h_bucket{le="+Inf"} 2',
    'h_sum 3',
    'h_count 2',
    'g 30',
  ])
})

test('counters and histograms of the departed stay, gauges vanish', async () => {
  const ledger = new FigureLedger<string>()
  for (const owner of ['a', 'b']) {
    ledger.note(owner, [await figures(3, 10)])
    await ledger.retire(owner)
  }
  ledger.note('c', [await figures(1, 5)])
  assert.deepEqual(await lines(ledger), [
    'c_total{a="x"} 7',
    'h_bucket{le="1"} 0',
    'h_bucket{le="2"} 3',
    'h_bucket{le="+Inf"} 3',
    'h_sum 4.5',
    'h_count 3',
    'g 5',
  ])
})

test('two that retire at once both stay', async () => {
  const ledger = new FigureLedger<string>()
  ledger.note('a', [await figures(3, 10)])
  ledger.note('b', [await figures(4, 10)])
  await Promise.all([ledger.retire('a'), ledger.retire('b', [await figures(5, 10)])])
  assert.ok((await lines(ledger)).includes('c_total{a="x"} 8'))
})

test('one that was never noted leaves nothing', async () => {
  const ledger = new FigureLedger<string>()
  await ledger.retire('a')
  assert.deepEqual(await lines(ledger), [])
})
