/** The plugin that docs/writing-a-plugin.md shows, on the sources; test/package has it on the published package. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { pathToFileURL } from 'node:url'
import type { Plugin } from '../../src/chain/plugin.ts'
import { parsePluginCfg } from '../../src/plugins/plugin-cfg.ts'
import { docExample } from '../support/doc-example.ts'
import { aChainQuery, openHandler } from '../support/handler.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const PAGE = 'writing-a-plugin.md'
const api = pathToFileURL(join(import.meta.dirname, '../../src/plugin-api.ts')).href
const folder = temporaryFolder()
writeFileSync(join(folder, 'sinkhole.ts'), docExample(PAGE, 'ts').replace(`'shoal'`, `'${api}'`))
const cfg = parsePluginCfg(docExample(PAGE, 'text'), join(folder, 'plugin.cfg'))
const plugin = (await cfg.plugins.load('sinkhole')) as Plugin<object>
const directive = /^ {4}sinkhole [\s\S]*?^ {4}\}$/m.exec(docExample(PAGE, 'corefile'))![0]

test('its line in plugin.cfg puts it behind cache', () => {
  assert.deepEqual(cfg.errors, [])
  const { order } = cfg.plugins
  assert.equal(order[order.indexOf('cache') + 1], 'sinkhole')
})

test('it answers for its zones, counts, and passes the rest on', async () => {
  const { ask, registry } = await openHandler(plugin, directive)
  const query = aChainQuery('x.ADS.example.org.')
  const reply = await ask(query)
  assert.deepEqual(reply.sections.answers, [
    { name: 'x.ADS.example.org', type: 'A', class: 'IN', ttl: 300, data: '192.0.2.1' },
  ])
  assert.ok(query.marks.isFixed && query.marks.reads === 0)
  assert.deepEqual((await ask(aChainQuery('ads.example.org.', 'AAAA'))).sections.answers, [])
  assert.equal((await ask(aChainQuery('www.example.org.'))).unwritten, true)
  assert.match(await registry.metrics(), /^coredns_sinkhole_answers_total 2$/m)
})

const refused: readonly [string, RegExp][] = [
  ['sinkhole', /Write for example: sinkhole ads\.example\.org/],
  ['sinkhole a.example {\n address x\n}', /"x" is not an IPv4 address\. Write for example: address 192\.0\.2\.1/],
  ['sinkhole a.example {\n ttl 3601\n}', /3601/],
  ['sinkhole a.example {\n ttls 1\n}', /ttls/],
  ['sinkhole a.example\nsinkhole b.example', /only be used once/],
]
for (const [corefile, message] of refused) {
  test(`it refuses: ${corefile.replaceAll('\n', ' ')}`, () => assert.rejects(openHandler(plugin, corefile), message))
}

test('it wants to see the queries for its zones, and no others', async () => {
  const options = { zones: ['ads.example.org.'], address: '192.0.2.1', ttlSeconds: 60 }
  const { concerns } = await plugin.front!(options, undefined as never)
  assert.equal(concerns!(aChainQuery('x.ads.example.org.').parsed), true)
  assert.equal(concerns!(aChainQuery('example.org.').parsed), false)
})
