/** What an operator writes: whole configurations with every plugin's options, plugin.cfg, the command line. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseCommandLine, UsageError } from '../../../src/command-line.ts'
import { CorefileError } from '../../../src/corefile/corefile-error.ts'
import { loadServerConfig } from '../../../src/corefile/load-server-config.ts'
import { PLUGINS } from '../../../src/plugins/order.ts'
import { findPlugins, parsePluginCfg } from '../../../src/plugins/plugin-cfg.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { type FuzzTarget, octets, textOf, unlessRefused } from '../target.ts'

const folder = temporaryFolder()
const { plugins } = findPlugins(folder)
const READMES = join(import.meta.dirname, '../../../src/plugins')

/** The Corefiles in the plugins' READMEs; `readmes.test.ts` has each accepted. Those that name files are left out. */
const EXAMPLES = readdirSync(READMES, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && PLUGINS.some(({ name, load }) => name === entry.name && load !== undefined))
  .flatMap(({ name }) => {
    const text = readFileSync(join(READMES, name, 'README.md'), 'utf8')
    return [...text.matchAll(/^(```|~~~) ?corefile\n([\s\S]*?)^\1$/gm)].map((match) => match[2]!)
  })
  .filter((text) => !/\bimport |kubeconfig|\/etc\/|certs?\/|\.pem|weights?\.txt/.test(text))

const PLUGIN_NAMES = PLUGINS.filter(({ load }) => load !== undefined).map(({ name }) => `\n${name} `)

export const serverConfig: FuzzTarget = {
  name: 'server-config',
  invariant:
    'a Corefile with any plugin’s options becomes a configuration of plain data, or CorefileErrors with a place; no plugin’s parse throws anything else',
  corpus: EXAMPLES.map(octets),
  words: [
    ...PLUGIN_NAMES,
    ...[
      ' {\n',
      '\n}\n',
      '\n',
      ' ',
      '"',
      '\\',
      '0',
      '-1',
      '65536',
      '1e9',
      '10s',
      '-5m',
      '999999999h',
      '::1',
      '127.0.0.1:0',
      '/33',
    ],
    ...[
      'in-addr.arpa',
      '.',
      '*',
      '"("',
      '[',
      'fallthrough',
      '\u0000',
      '__proto__',
      'constructor',
      'toString',
      '{{',
      '}}',
    ],
  ].map(octets),
  inputsInTest: 60,
  // Regular expressions are compiled, which takes what their length asks for.
  msMax: 200,
  async run(input) {
    const corefile = { file: 'Corefile', text: textOf(input), folder }
    const { config, errors, warnings } = await loadServerConfig({
      corefile,
      plugins,
      workingFolder: folder,
      environment: {},
    })
    for (const error of errors) {
      assert.ok(error instanceof CorefileError)
      if (error.problem.startsWith('the plugin failed')) throw new Error(error.message, { cause: error.cause })
      assert.ok(error.at.line >= 0 && error.at.column >= 0)
    }
    for (const { at } of warnings) assert.ok(at.line >= 0)
    assert.equal(config === undefined, errors.length > 0)
    assert.deepEqual(structuredClone(config), config)
    return errors.length === 0
  },
}

writeFileSync(join(folder, 'local.ts'), '')
const BUILT_IN = PLUGINS.map(({ name }) => name)

export const pluginCfg: FuzzTarget = {
  name: 'plugin-cfg',
  invariant: 'a plugin.cfg gives an order that holds every built-in plugin in its own, and CorefileErrors with a line',
  corpus: [
    'cache:cache\nmine:./local.ts\nforward:forward\n',
    '# comment\n\nprometheus:metrics\n  mine: ./local.ts # behind\nfile:file\n',
    'on:github.com/coredns/caddy/onevent\n',
  ].map(octets),
  words: [
    ...BUILT_IN.slice(0, 30).map((name) => `\n${name}:${name}`),
    '\nx:./local.ts',
    ':',
    '#',
    '/',
    '..',
    'node:fs',
    'data:,',
    '%',
  ].map(octets),
  inputsInTest: 150,
  run(input) {
    const { plugins: found, errors, warnings } = parsePluginCfg(textOf(input), join(folder, 'plugin.cfg'))
    for (const error of errors) assert.ok(error instanceof CorefileError && error.at.line >= 1)
    for (const { at } of warnings) assert.ok(at.line >= 1)
    assert.deepEqual(
      found.order.filter((name) => BUILT_IN.includes(name)),
      BUILT_IN,
    )
    assert.equal(new Set(found.order).size, found.order.length)
    return errors.length === 0
  },
}

/** Arguments are separated by line breaks. */
export const commandLine: FuzzTarget = {
  name: 'command-line',
  invariant: 'a command line is understood or gives UsageError',
  corpus: [
    '-conf\nCorefile\n-dns.port\n1053',
    '-version',
    '-plugins',
    'check\n-conf\nCorefile\n-json',
    '-processes\n2\n-udp\ndgram\n-quiet',
    '',
  ].map(octets),
  words: [
    '\n',
    '-',
    '--',
    '=',
    '-conf',
    '-dns.port',
    '-processes',
    '-threads',
    '-udp',
    '-help',
    '65536',
    '-1',
    '1e3',
    'check',
    '-json',
    'stdin',
  ].map(octets),
  run(input) {
    return unlessRefused(() => parseCommandLine(textOf(input).split('\n').filter(Boolean)), UsageError) !== undefined
  },
}
