import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import type { Problem } from '../../src/corefile/parse-context.ts'
import type { AutoSource } from '../../src/plugins/auto/auto-source.ts'
import { plugin } from '../../src/plugins/auto/index.ts'
import { walkZones } from '../../src/plugins/auto/walk-zones.ts'
import { parseWith } from '../support/directives.ts'
import { aBlock, aQuery } from '../support/front.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { openZoneChain, shown } from '../support/zone-chain.ts'

const top = temporaryFolder()
const zone = (serial: number, address = '192.0.2.1') =>
  `$TTL 300\n@ IN SOA ns admin ${serial} 7200 3600 1209600 60\n@ NS ns\nwww A ${address}\n`
/** A new folder with these files. */
function folderOf(files: Record<string, string>): string {
  const folder = mkdtempSync(join(top, 'd'))
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, name, '..'), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  return folder
}
const names = (walk: { zones: ReadonlyMap<string, string> }, folder: string) =>
  [...walk.zones].map(([apex, path]) => `${apex} ${path.slice(folder.length + 1)}`)

test('syntax', () => {
  const defaults = { scope: ['example.org.'], directory: '', pattern: 'db\\.(.*)', template: '{1}', reloadMs: 60_000 }
  const cases: readonly [string, unknown][] = [
    ['auto', defaults],
    [`auto {\ndirectory ${top}\n}`, { ...defaults, directory: top }],
    [
      `auto example.net {\ndirectory ${top}\nreload 10s\n}`,
      { ...defaults, scope: ['example.net.'], directory: top, reloadMs: 10_000 },
    ],
    [
      `auto {\ndirectory ${top} (.*)\\.zone {1}\nupstream 192.0.2.1\n}`,
      { ...defaults, directory: top, pattern: '(.*)\\.zone', template: '{1}' },
    ],
    [
      `auto {\ndirectory ${top} (?P<name>.*)\\.zone {name}.org\nreload 0\n}`,
      { ...defaults, directory: top, pattern: '(?P<name>.*)\\.zone', template: '{name}.org', reloadMs: 0 },
    ],
  ]
  for (const [source, want] of cases)
    assert.deepEqual(parseWith(plugin, source, { zones: ['example.org.'] }), want, source)
  const warnings: string[] = []
  parseWith(plugin, 'auto {\ndirectory missing\n}', { root: top, warnings })
  assert.deepEqual(warnings, [`2: Directory does not exist: ${join(top, 'missing')}`])
  const errors: readonly [string, RegExp][] = [
    ['auto {\ndirectory\n}', /Wrong argument count/],
    [`auto {\ndirectory ${top} (.*)\n}`, /Wrong argument count/],
    [`auto {\ndirectory ${top} (.*) {1} 5\n}`, /Wrong argument count/],
    [`auto {\ndirectory ${top} *( {1}\n}`, /error parsing regexp/],
    [`auto {\ndirectory ${top} .* {1}\n}`, /Need at least one sub expression/],
    [`auto {\ndirectory ${top} ${'a'.repeat(10_001)}() {1}\n}`, /10000|10,000/],
    ['auto {\nreload\n}', /reload duration value is expected/],
    ['auto {\nreload -1s\n}', /invalid duration "-1s"/],
    ['auto {\nreload 5\n}', /invalid duration "5"/],
    ['auto {\nfallthrough\n}', /unknown property 'fallthrough'/],
  ]
  for (const [source, message] of errors) assert.throws(() => parseWith(plugin, source), { message }, source)
})

test('the walk goes through folders in order; the first file of a zone counts', async () => {
  const folder = folderOf({
    'db.example.org': '',
    'db.Example.NET': '',
    'a/db.example.com': '',
    'b/db.example.com': '',
    'other.txt': '',
    '..data/db.hidden': '',
    'db.a..b': '',
    'ending.db.example': '',
  })
  const options = { directory: folder, pattern: 'db\\.(.*)', template: '{1}' }
  const walk = await walkZones(options)
  assert.deepEqual(names(walk, folder).sort(), [
    'example. ending.db.example',
    'example.com. a/db.example.com',
    'example.net. db.Example.NET',
    'example.org. db.example.org',
  ])
  assert.equal(walk.problems.length, 2)
  assert.match(
    walk.problems.join('\n'),
    /Multiple zone files match origin "example\.com\.": using ".*a\/db.*" instead of ".*b\/db/,
  )
  assert.match(walk.problems.join('\n'), /db\.a\.\.b gives no zone name/)
  const link = join(top, 'link')
  symlinkSync(folder, link)
  assert.equal((await walkZones({ ...options, directory: link })).zones.size, 4)
  const named = await walkZones({
    directory: folder,
    pattern: '(?P<kind>db)\\.(?P<zone>example\\..*)',
    template: '{zone}.{kind}',
  })
  assert.deepEqual([...named.zones.keys()].sort(), ['example.com.db.', 'example.org.db.'])
  assert.equal((await walkZones({ ...options, directory: join(top, 'none') })).problems.length, 1)
  assert.equal((await walkZones({ ...options, directory: '' })).zones.size, 0)
})

test('zones come, change and go with their files', async () => {
  const folder = folderOf({ 'db.example.org': zone(1), 'db.bad.org': 'x' })
  const chain = await openZoneChain(plugin, parseWith(plugin, `auto {\ndirectory ${folder}\nreload 0\n}`))
  const part = chain.part as AutoSource
  const www = async (name: string) => shown(await chain.ask(aQuery({ name: `www.${name}` })))
  assert.match(await www('example.org'), /^0 aa; answer: www\.example\.org 300 A 192\.0\.2\.1/)
  assert.equal(await www('bad.org'), 'passed on')
  assert.equal(await www('example.net'), 'passed on')
  assert.equal(shown(await chain.ask(aQuery({ name: 'example.org', type: 'AXFR' }))), 'unwritten 5')
  const told = chain.log.lines.map((line) => line.replaceAll(folder, '')).sort()
  assert.equal(told.length, 2)
  assert.equal(told[0], "INFO Inserting zone `example.org.' from: /db.example.org")
  assert.match(told[1]!, /^WARNING Parse zone `bad\.org\.': \/db\.bad\.org:1:\d+: /)

  chain.log.lines.length = 0
  await part.walk()
  assert.equal(chain.log.lines.length, 0, 'what was told is not told again')

  writeFileSync(join(folder, 'db.bad.org'), zone(1))
  writeFileSync(join(folder, 'db.example.org'), zone(2, '192.0.2.2'))
  await part.walk()
  assert.match(await www('bad.org'), /192\.0\.2\.1/)
  assert.match(await www('example.org'), /192\.0\.2\.2/)

  rmSync(join(folder, 'db.example.org'))
  mkdirSync(join(folder, 'sub'))
  renameSync(join(folder, 'db.bad.org'), join(folder, 'sub', 'db.bad.org'))
  writeFileSync(join(folder, 'sub', 'db.bad.org'), zone(3, '192.0.2.3'))
  await part.walk()
  assert.equal(await www('example.org'), 'passed on')
  assert.match(await www('bad.org'), /192\.0\.2\.3/)
  assert.ok(chain.log.lines.includes("INFO Deleting zone `example.org.'"))
  await chain.close()
})

test('names outside ZONES are not answered, even by a zone that holds them', async () => {
  const folder = folderOf({ 'db.org': `${zone(1)}www.example A 192.0.2.1\n` })
  const options = parseWith(plugin, `auto example.org {\ndirectory ${folder}\n}`)
  const chain = await openZoneChain(plugin, options)
  assert.equal(shown(await chain.ask(aQuery({ name: 'www.org' }))), 'passed on')
  assert.match(shown(await chain.ask(aQuery({ name: 'www.example.org' }))), /^0 aa/)
  const part = await plugin.front!(options, { sourceId: chain.sourceId, store: chain.store } as never)
  assert.equal(part.concerns!(aQuery({ name: 'www.org' })), true)
  assert.equal(part.concerns!(aQuery({ name: 'www.example.org' })), false)
  assert.equal(part.concerns!(aQuery({ name: 'example.net' })), false)
  await chain.close()
})

test('check looks into every file and only warns', async () => {
  const folder = folderOf({ 'db.example.org': zone(1), 'db.bad.org': `${zone(1)}x A y\n` })
  const problems: Problem[] = []
  for await (const problem of await plugin.check!(parseWith(plugin, `auto {\ndirectory ${folder}\n}`), {
    block: aBlock(['.']),
  })) {
    problems.push(problem)
  }
  assert.deepEqual(
    problems.map(({ at, warning }) => [at.file, at.line, at.column, warning]),
    [[join(folder, 'db.bad.org'), 5, 5, true]],
  )
})
