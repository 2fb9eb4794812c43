import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import test from 'node:test'
import { loadServerConfig } from '../../src/corefile/load-server-config.ts'
import { pluginRow } from '../../src/plugins/order.ts'
import { findPlugins } from '../../src/plugins/plugin-cfg.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const PLUGINS = join(ROOT, 'src/plugins')
const SECTIONS = ['## Name', '## Description', '## Syntax', '## Examples']
const { plugins } = findPlugins(join(ROOT, 'nowhere'))

for (const entry of readdirSync(PLUGINS, { withFileTypes: true })) {
  if (!entry.isDirectory()) continue
  const readme = join(PLUGINS, entry.name, 'README.md')
  if (pluginRow(entry.name)?.load === undefined && !existsSync(readme)) continue
  test(`${entry.name} has a README with ${SECTIONS.map((section) => section.slice(3)).join(', ')}`, () => {
    const lines = readFileSync(readme, 'utf8').split('\n')
    assert.deepEqual(
      lines.filter((line) => SECTIONS.includes(line)),
      SECTIONS,
    )
  })
  if (!existsSync(readme)) continue
  for (const [index, block] of corefileBlocks(readFileSync(readme, 'utf8')).entries()) {
    test(`${entry.name}: example ${index + 1} of its README is accepted`, async () => {
      const corefile = { file: `${entry.name}/README.md`, text: block, folder: ROOT }
      const { errors, blocks } = await loadServerConfig({ corefile, plugins, workingFolder: ROOT, environment: {} })
      assert.deepEqual(
        errors.map(({ message }) => message),
        [],
      )
      assert.ok(blocks.length > 0)
    })
  }
}

function corefileBlocks(text: string): string[] {
  return [...text.matchAll(/^(```|~~~) ?corefile\n([\s\S]*?)^\1$/gm)].map((match) => match[2]!)
}
