import assert from 'node:assert/strict'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { loadCorefile } from '../../src/plugins/load-corefile.ts'
import { loadPlugin, PLUGINS } from '../../src/plugins/order.ts'
import { findPlugins, parsePluginCfg } from '../../src/plugins/plugin-cfg.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const folder = temporaryFolder()
const file = join(folder, 'plugin.cfg')

function install(name: string, exported: string, main = 'index.js'): void {
  const path = join(folder, 'node_modules', name)
  mkdirSync(path, { recursive: true })
  writeFileSync(
    join(path, 'package.json'),
    JSON.stringify({ name, version: '1.0.0', type: 'module', exports: { import: `./${main}` } }),
  )
  writeFileSync(join(path, main), exported)
}
install('shoal-limit', "export const plugin = { name: 'limit', parse: (directives) => ({ count: directives.length }) }")
install('@scope/two', "export const plugin = { name: 'two', parse: () => null }")
install('shoal-wrong', "export const plugin = { name: 'other', parse: () => null }")
install('shoal-empty', 'export const nothing = 1')
writeFileSync(
  join(folder, 'local.ts'),
  "export const plugin = { name: 'local_one', parse: (directives: unknown[]) => directives.length }",
)

const around = (order: readonly string[], name: string) => order.slice(order.indexOf(name) - 1, order.indexOf(name) + 2)

const placed: { title: string; text: string; name: string; want: string[] }[] = [
  {
    title: 'behind the line above',
    text: 'cache:cache\nlimit:shoal-limit\n',
    name: 'limit',
    want: ['cache', 'limit', 'header'],
  },
  {
    title: 'in front of the line below',
    text: 'limit:shoal-limit\nforward:forward\n',
    name: 'limit',
    want: ['loop', 'limit', 'forward'],
  },
  {
    title: 'two in a row keep their order',
    text: 'cache:cache\nlimit:shoal-limit\ntwo:@scope/two\n',
    name: 'limit',
    want: ['cache', 'limit', 'two'],
  },
  {
    title: "comments, blanks and CoreDNS's own package names",
    text: '# a\n\n  prometheus:metrics # b\n\tlimit : shoal-limit\r\non:github.com/coredns/caddy/onevent\n',
    name: 'limit',
    want: ['prometheus', 'limit', 'errors'],
  },
  {
    title: 'a file beside the Corefile',
    text: 'whoami:whoami\nlocal_one:./local.ts\n',
    name: 'local_one',
    want: ['whoami', 'local_one', 'on'],
  },
]
for (const { title, text, name, want } of placed) {
  test(`position: ${title}`, () => {
    const { plugins, errors } = parsePluginCfg(text, file)
    assert.deepEqual(errors, [])
    assert.deepEqual(around(plugins.order, name), want)
    assert.ok(plugins.isBuilt(name))
    assert.match(plugins.module(name)!, /^file:\/\//)
  })
}

const refused: { title: string; text: string; want: [place: string, problem: RegExp][] }[] = [
  { title: 'no package', text: 'cache:cache\nlimit\n', want: [['2:1', /^"limit" is not of the form name:package$/]] },
  {
    title: 'words',
    text: 'a b:c\n  x:y z\n',
    want: [
      ['1:1', /not of the form/],
      ['2:3', /not of the form/],
    ],
  },
  { title: 'a name twice', text: 'cache:cache\ncache:cache\n', want: [['2:1', /^"cache" is listed twice$/]] },
  {
    title: 'a package that is not installed',
    text: 'cache:cache\nnope:shoal-nope\n',
    want: [['2:1', /^no package "shoal-nope" is installed here/]],
  },
  {
    title: 'a Go package',
    text: 'cache:cache\nx:github.com/a/b\n',
    want: [['2:1', /^"github.com\/a\/b" is a Go package/]],
  },
  {
    title: 'a name that CoreDNS has',
    text: 'cache:shoal-limit\n',
    want: [['1:1', /^"cache" is a plugin of CoreDNS: choose another name$/]],
  },
  {
    title: 'no position',
    text: 'limit:shoal-limit\ntwo:@scope/two\n',
    want: [
      ['1:1', /^nothing says where in the chain "limit" runs/],
      ['2:1', /"two" runs/],
    ],
  },
]
for (const { title, text, want } of refused) {
  test(`error: ${title}`, () => {
    const { errors } = parsePluginCfg(text, file)
    assert.deepEqual(
      errors.map(({ at }) => `${at.line}:${at.column}`),
      want.map(([place]) => place),
    )
    for (const [i, [, problem]] of want.entries()) assert.match(errors[i]!.problem, problem)
    assert.ok(errors.every(({ at }) => at.file === file))
  })
}

test('built-in plugins keep their order, whatever the file says', () => {
  const { plugins, errors, warnings } = parsePluginCfg('forward:forward\ncache:cache\nlimit:shoal-limit\n', file)
  assert.deepEqual(errors, [])
  assert.deepEqual(
    warnings.map(({ at }) => at.line),
    [2],
  )
  assert.deepEqual(around(plugins.order, 'limit'), ['cache', 'limit', 'header'])
})

test("without a file the built-in plugins are in CoreDNS's order, 60 of them", () => {
  const { plugins, errors } = findPlugins(join(folder, 'nowhere'))
  assert.deepEqual(errors, [])
  assert.equal(plugins.order.length, 60)
  assert.deepEqual(
    plugins.order,
    PLUGINS.map(({ name }) => name),
  )
  assert.equal(new Set(plugins.order).size, 60)
})

test('a Corefile uses an added plugin; its module is known to every thread', async () => {
  writeFileSync(file, 'cache:cache\nlimit:shoal-limit\n')
  writeFileSync(join(folder, 'Corefile'), '. {\nwhoami\nlimit 5\nlimit 6\n}\n')
  const { config, errors } = await loadCorefile({ conf: join(folder, 'Corefile') })
  assert.deepEqual(errors, [])
  const [limit, whoami] = config!.blocks[0]!.plugins
  assert.deepEqual([limit!.name, limit!.options, whoami!.name], ['limit', { count: 2 }, 'whoami'])
  assert.ok(existsSync(fileURLToPath(limit!.module!)))
  assert.equal(whoami!.module, undefined)
  assert.equal((await loadPlugin('limit', limit!.module)).name, 'limit')
})

test('a line that is wrong is told once, not again where the Corefile uses the plugin', async () => {
  writeFileSync(file, 'cache:cache\nlimit:shoal-nope\n')
  writeFileSync(join(folder, 'Corefile'), '. {\nlimit 5\n}\n')
  const { config, errors } = await loadCorefile({ conf: join(folder, 'Corefile') })
  assert.equal(config, undefined)
  assert.deepEqual(
    errors.map(({ at }) => `${at.file}:${at.line}`),
    [`${file}:2`],
  )
})

test('modules that are no plugin, or another, are told where the Corefile uses them', async () => {
  writeFileSync(file, 'cache:cache\nwrong:shoal-wrong\nempty:shoal-empty\n')
  writeFileSync(join(folder, 'Corefile'), '. {\nwrong\nempty\n}\n')
  const { errors } = await loadCorefile({ conf: join(folder, 'Corefile') })
  assert.deepEqual(
    errors.map(({ at }) => at.line),
    [2, 3],
  )
  assert.match(errors[0]!.problem, /exports the plugin "other", not "wrong"$/)
  assert.match(errors[1]!.problem, /doesn't export a plugin$/)
})

test('a Corefile that can not be read is an error without a line', async () => {
  const { errors, config } = await loadCorefile({ conf: join(folder, 'nowhere') })
  assert.equal(config, undefined)
  assert.deepEqual(
    errors.map(({ message }) => message),
    [`loading Caddyfile via flag: open ${join(folder, 'nowhere')}: no such file or directory`],
  )
})

for (const row of PLUGINS.filter(({ load }) => load !== undefined)) {
  test(`the module of ${row.name} exports the plugin of that name`, async () => {
    assert.equal((await loadPlugin(row.name)).name, row.name)
  })
}
