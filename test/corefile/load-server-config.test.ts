import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import test from 'node:test'
import { CorefileError } from '../../src/corefile/corefile-error.ts'
import { type LoadOptions, loadServerConfig } from '../../src/corefile/load-server-config.ts'
import type { DirectiveParser, PluginSet } from '../../src/corefile/parse-context.ts'
import { zoneLines } from '../../src/corefile/zone-lines.ts'
import { plugin as bind } from '../../src/plugins/bind/index.ts'
import { plugin as debug } from '../../src/plugins/debug/index.ts'
import { plugin as multisocket } from '../../src/plugins/multisocket/index.ts'
import { plugin as root } from '../../src/plugins/root/index.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const folder = temporaryFolder()
mkdirSync(join(folder, 'zones'))

/** A plugin whose options are its words, and the paths and zones that it was given. */
function recorder(name: string): DirectiveParser {
  return {
    name,
    parse(directives, context) {
      for (const { at, block = [], args } of directives) {
        const bad = [
          ...args,
          ...block.flatMap((property) => [{ text: property.name, at: property.at }, ...property.args]),
        ]
        for (const word of bad) if (word.text === 'bad') throw new CorefileError(word.at, 'a bad word', 'good')
        if (args[0]?.text === 'needs' && block.length === 0) throw new CorefileError(at, 'needs options')
        if (args[0]?.text === 'warns') context.warn(at, 'careful')
      }
      const args = directives.flatMap((directive) => directive.args)
      return {
        words: directives.map((directive) => directive.args.map((arg) => arg.text)),
        origins: context.origins(args),
        path: context.resolvePath('db'),
      }
    },
  }
}

const built = new Map<string, DirectiveParser>(
  [root, bind, debug, multisocket].map((plugin) => [plugin.name, plugin as DirectiveParser]),
)
for (const name of ['log', 'chaos', 'file', 'forward', 'whoami', 'view']) built.set(name, recorder(name))
built.set('faulty', {
  name: 'faulty',
  parse() {
    throw new TypeError('x is not a function')
  },
})
const plugins: PluginSet = {
  order: [
    'root',
    'multisocket',
    'bind',
    'debug',
    'log',
    'chaos',
    'kubernetes',
    'file',
    'forward',
    'whoami',
    'view',
    'faulty',
    'gone',
  ],
  isBuilt: (name) => built.has(name) || name === 'gone',
  module: () => undefined,
  load: async (name) => built.get(name) ?? Promise.reject(new Error(`Cannot find module '${name}'\nmore`)),
}

function load(text: string, options: Partial<LoadOptions> = {}) {
  return loadServerConfig({
    corefile: { file: 'Corefile', text, folder },
    plugins,
    workingFolder: folder,
    environment: {},
    ...options,
  })
}

const messages = async (text: string, options?: Partial<LoadOptions>) =>
  (await load(text, options)).errors.map(
    ({ at, plugin, problem }) => `${at.line}:${at.column} ${plugin === undefined ? '' : `${plugin}: `}${problem}`,
  )
const remarks = async (text: string) => (await load(text)).warnings.map(({ at, problem }) => `${at.line} ${problem}`)

const keyCases: { title: string; text: string; want: string[] }[] = [
  { title: 'a zone is absolute and lower-case', text: 'ExAmple.ORG', want: ['dns://example.org.:53'] },
  { title: 'the root', text: '.', want: ['dns://.:53'] },
  { title: 'a port', text: '.:1053 example.org:54', want: ['dns://.:1053', 'dns://example.org.:54'] },
  { title: 'the port of -dns.port', text: '. a.org:53', want: ['dns://.:53', 'dns://a.org.:53'] },
  { title: 'port 0 lets the system choose', text: '.:0', want: ['dns://.:0'] },
  { title: 'a scheme', text: 'dns://example.org', want: ['dns://example.org.:53'] },
  { title: 'a network on an octet border', text: '10.1.2.0/24', want: ['dns://2.1.10.in-addr.arpa.:53'] },
  { title: 'a network with a port', text: '10.0.0.0/8:54', want: ['dns://10.in-addr.arpa.:54'] },
  {
    title: 'a network off an octet border is several zones',
    text: '10.0.0.0/15 a.org',
    want: ['dns://0.10.in-addr.arpa.:53', 'dns://1.10.in-addr.arpa.:53', 'dns://a.org.:53'],
  },
  { title: 'host bits are masked off', text: '10.1.2.3/24', want: ['dns://2.1.10.in-addr.arpa.:53'] },
  { title: 'an IPv6 network', text: '2001:db8::/32', want: ['dns://8.b.d.0.1.0.0.2.ip6.arpa.:53'] },
  { title: 'all of IPv4', text: '0.0.0.0/0', want: ['dns://in-addr.arpa.:53'] },
  { title: 'what is no network is a zone', text: '10.0.0.0/33', want: ['dns://10.0.0.0/33.:53'] },
  { title: 'what is no scheme is a zone', text: 'foo://.', want: ['dns://foo://.:53'] },
  { title: 'what is no port is part of the zone', text: 'a.org:dns', want: ['dns://a.org:dns.:53'] },
  { title: 'escapes take one form', text: '\\097.org', want: ['dns://a.org.:53'] },
]
for (const { title, text, want } of keyCases) {
  test(`key: ${title}`, async () => {
    const { config, errors } = await load(`${text} {\nwhoami\n}`)
    assert.deepEqual(errors, [])
    assert.deepEqual(
      config?.blocks[0]?.keys.map(({ transport, zone, port }) => `${transport}://${zone}:${port}`),
      want,
    )
  })
}

const errorCases: { title: string; text: string; want: string[] }[] = [
  { title: 'an empty host', text: ':53 {\n}', want: ['1:1 zone is not a valid domain name:  (an empty name)'] },
  { title: 'nothing behind the last colon', text: 'a: {\n}', want: ['1:1 expecting data after last colon: "a:"'] },
  {
    title: 'an empty label',
    text: 'a..b {\n}',
    want: ['1:1 zone is not a valid domain name: a..b (an empty label (two dots in a row, or a leading dot))'],
  },
  {
    title: 'a name that is too long',
    text: `${'a.'.repeat(200)} {\n}`,
    want: ['1:1 specified zone is too long: 400 > 255'],
  },
  { title: 'an IPv6 network that starts with a colon', text: '::/8 {\n}', want: ['1:1 invalid CIDR ::/8'] },
  { title: 'an IPv6 network that starts with 0', text: '0::/8 {\n}', want: ['1:1 invalid CIDR 0::/8'] },
  { title: 'a port out of range', text: '.:99999 {\n}', want: ["1:1 '.:99999': invalid port 99999"] },
  { title: 'a negative port', text: '.:-1 {\n}', want: ["1:1 '.:-1': invalid port -1"] },
  {
    title: 'a listener of another transport',
    text: '. tls://a.org {\n}',
    want: ['1:3 cannot serve tls://a.org.:853 - tls:// listeners are not part of this version of Shoal yet'],
  },
  {
    title: 'every other transport is told',
    text: 'https://a https3://a quic://a grpc://a unix://a {\n}',
    want: [
      '1:1 cannot serve https://a.:443 - https:// listeners are not part of this version of Shoal yet',
      '1:11 cannot serve https3://a.:443 - https3:// listeners are not part of this version of Shoal yet',
      '1:22 cannot serve quic://a.:853 - quic:// listeners are not part of this version of Shoal yet',
      '1:31 cannot serve grpc://a.:443 - grpc:// listeners are not part of this version of Shoal yet',
      '1:40 cannot serve unix://a - unix:// is for upstreams only',
    ],
  },
  {
    title: 'a plugin of CoreDNS that is not built',
    text: '. {\nkubernetes\n}',
    want: ['2:1 plugin kubernetes of CoreDNS is not part of this version of Shoal yet'],
  },
  { title: 'a plugin that nobody has', text: '. {\nflie\n}', want: ["2:1 Unknown directive 'flie'"] },
  {
    title: 'a plugin whose module is gone',
    text: '. {\ngone\n}',
    want: ["2:1 gone: the plugin can't be loaded: Cannot find module 'gone'"],
  },
  {
    title: 'a plugin at fault',
    text: '. {\nfaulty\n}',
    want: ['2:1 faulty: the plugin failed: TypeError: x is not a function'],
  },
  {
    title: 'every wrong property of a plugin is told',
    text: '. {\nfile a {\none bad\ntwo\nbad\n}\nlog bad\n}',
    want: ['7:5 log: a bad word', '3:5 file: a bad word', '5:1 file: a bad word'],
  },
  {
    title: 'every wrong use of a plugin is told',
    text: '. {\nlog bad\nlog ok\nlog bad\n}',
    want: ['2:5 log: a bad word', '4:5 log: a bad word'],
  },
  {
    title: 'what follows from a line left out is not told',
    text: '. {\nfile needs {\nbad\n}\n}',
    want: ['3:1 file: a bad word'],
  },
  {
    title: 'structure, keys, plugins and overlaps at once',
    text: 'a.org {\nflie\nlog bad\n}\nb: {\n}\na.org {\n}',
    want: [
      "2:1 Unknown directive 'flie'",
      '5:1 expecting data after last colon: "b:"',
      '3:5 log: a bad word',
      '7:1 cannot serve dns://a.org.:53 - it is already defined',
    ],
  },
  {
    title: 'one key twice',
    text: 'a.org {\n}\nb.org A.ORG {\n}',
    want: ['3:1 cannot serve dns://a.org.:53 - it is already defined'],
  },
  {
    title: 'one key twice in a block',
    text: '. . {\n}',
    want: ['1:1 cannot serve dns://.:53 - it is already defined'],
  },
  {
    title: 'unbound, then bound',
    text: '.:53 {\n}\n.:53 {\nbind 127.0.0.1\n}',
    want: ['3:1 cannot serve dns://.:53 on 127.0.0.1 - zone overlap listener capacity with dns://.:53'],
  },
  {
    title: 'bound twice, then unbound: the last bound one is named',
    text: '. {\nbind 128.0.0.1\n}\n. {\nbind 129.0.0.1\n}\n. {\n}',
    want: ['7:1 cannot serve dns://.:53 - zone overlap listener capacity with dns://.:53 on 129.0.0.1'],
  },
  {
    title: 'an address twice',
    text: '. {\nbind 127.0.0.1 127.0.0.1\n}',
    want: ['1:1 cannot serve dns://.:53 on 127.0.0.1 - it is already defined'],
  },
]
for (const { title, text, want } of errorCases) {
  test(`error: ${title}`, async () => {
    const loaded = await load(text)
    assert.equal(loaded.config, undefined)
    assert.deepEqual(await messages(text), want)
  })
}

const fine: { title: string; text: string }[] = [
  { title: 'the same zone on different ports', text: '.:53 {\n}\n.:54 {\n}' },
  { title: 'the same zone and port on different addresses', text: '. {\nbind 127.0.0.1\n}\n. {\nbind 127.0.0.2\n}' },
  { title: 'any number of blocks with a filter, and one without', text: '. {\nview a\n}\n. {\nview b\n}\n. {\n}' },
  { title: 'a block without a filter first', text: '. {\n}\n. {\nview b\n}' },
]
for (const { title, text } of fine) test(`no overlap: ${title}`, async () => assert.deepEqual(await messages(text), []))

test('a filtered block still may not overlap an unfiltered one with an address', async () => {
  assert.deepEqual(await messages('. {\nbind 127.0.0.1\n}\n. {\nview a\n}'), [
    '4:1 cannot serve dns://.:53 - zone overlap listener capacity with dns://.:53 on 127.0.0.1',
  ])
})

test('plugins are in chain order, merged, and know root, zones and origins', async () => {
  const { config } = await load(
    'a.org b.org a.org:54 {\nwhoami\nfile x\nfile 10.0.0.0/15 bad..name y:53\nlog\nroot zones\n}',
  )
  const [block] = config!.blocks
  assert.deepEqual(
    block!.plugins.map(({ name }) => name),
    ['root', 'log', 'file', 'whoami'],
  )
  assert.deepEqual(block!.zones, ['a.org.', 'b.org.'])
  assert.equal(block!.root, join(folder, 'zones'))
  assert.deepEqual(block!.plugins[2]!.options, {
    words: [['x'], ['10.0.0.0/15', 'bad..name', 'y:53']],
    origins: ['x.', '0.10.in-addr.arpa.', '1.10.in-addr.arpa.', 'y.'],
    path: join(folder, 'zones', 'db'),
  })
  assert.deepEqual((block!.plugins[1]!.options as { origins: string[] }).origins, ['a.org.', 'b.org.'])
})

test('listeners: one for each address and port, with the zones of all its blocks', async () => {
  const { config } = await load(
    'a.org b.org:54 {\nbind 127.0.0.1 ::1\nmultisocket 3\n}\nc.org {\nbind 127.0.0.1\nchaos\n}\nd.org:54 {\ndebug\n}',
  )
  const listeners = config!.listeners.map(({ server, address, port, sockets, zones, allClasses }) => ({
    server,
    address,
    port,
    sockets,
    allClasses,
    zones: zones.map(({ zone, blockIds }) => `${zone} ${blockIds}`),
  }))
  assert.deepEqual(listeners, [
    {
      server: 'dns://127.0.0.1:53',
      address: '127.0.0.1',
      port: 53,
      sockets: 3,
      allClasses: true,
      zones: ['a.org. 0', 'c.org. 1'],
    },
    { server: 'dns://[::1]:53', address: '::1', port: 53, sockets: 3, allClasses: false, zones: ['a.org. 0'] },
    {
      server: 'dns://127.0.0.1:54',
      address: '127.0.0.1',
      port: 54,
      sockets: 3,
      allClasses: false,
      zones: ['b.org. 0'],
    },
    { server: 'dns://[::1]:54', address: '::1', port: 54, sockets: 3, allClasses: false, zones: ['b.org. 0'] },
    { server: 'dns://:54', address: '', port: 54, sockets: 0, allClasses: false, zones: ['d.org. 2'] },
  ])
  assert.deepEqual(
    config!.blocks.map((block) => block.debug),
    [false, false, true],
  )
  assert.deepEqual(
    config!.listeners.map((listener) => listener.id),
    [0, 1, 2, 3, 4],
  )
})

test('either wildcard means all addresses, as without bind', async () => {
  const { config } = await load('a.org {\nbind 0.0.0.0\n}\nb.org {\nbind ::\n}\nc.org {\n}')
  assert.deepEqual(
    config!.listeners.map(({ server, address, zones }) => [server, address, zones.length]),
    [['dns://0.0.0.0:53', '', 3]],
  )
})

test('blocks of views share a zone in the order of the file', async () => {
  const { config } = await load('. {\nview a\n}\n. {\nview b\n}\n. {\n}')
  assert.deepEqual(config!.listeners[0]!.zones, [{ zone: '.', blockIds: [0, 1, 2] }])
})

test('zone lines read as those of CoreDNS', async () => {
  const { config } = await load(
    'b.org _tcp.org 10.0.0.0/8 {\nbind 127.0.0.1 ::1\nmultisocket 2\n}\n. a.org:1053 {\n bind 127.0.0.2\n}\nc.org {\n}',
  )
  const lines = (address: string) => [
    `10.in-addr.arpa.:53 on ${address}`,
    'Warning: Domain "_tcp.org." does not follow RFC1035 preferred syntax',
    `_tcp.org.:53 on ${address}`,
    `b.org.:53 on ${address}`,
  ]
  assert.deepEqual(zoneLines(config!), [
    ...lines('127.0.0.1'),
    ...lines('127.0.0.1'),
    ...lines('::1'),
    ...lines('::1'),
    '.:53 on 127.0.0.2',
    'a.org.:1053 on 127.0.0.2',
    'c.org.:53',
  ])
})

test('without a Corefile, whoami and log are served on the default port', async () => {
  const { config, errors } = await load('', { corefile: undefined, defaultPort: 1053 })
  assert.deepEqual(errors, [])
  assert.deepEqual(
    config!.listeners.map(({ server }) => server),
    ['dns://:1053'],
  )
  assert.deepEqual(
    config!.blocks[0]!.plugins.map(({ name }) => name),
    ['log', 'whoami'],
  )
})

test('a file without blocks is served as if it was not there, with a warning', async () => {
  const { config, warnings } = await load('# nothing\n(s) {\nlog\n}\n')
  assert.deepEqual(
    config!.blocks[0]!.plugins.map(({ name }) => name),
    ['log', 'whoami'],
  )
  assert.deepEqual(
    warnings.map(({ problem }) => problem),
    ['Corefile has no server block: serving whoami and log'],
  )
})

test('a file with errors and no blocks is not served', async () => {
  const { config, errors } = await load('import nowhere\n')
  assert.equal(config, undefined)
  assert.equal(errors.length, 1)
})

test("remarks: keys that look like something else, a root that is not there, plugins' own", async () => {
  assert.deepEqual(await remarks('foo://. {\nlog warns\nroot nowhere\n}'), [
    "1 'foo://.' is taken for the name of a zone, foo://.",
    '3 Root path does not exist: nowhere',
    '2 careful',
  ])
})

test('remarks are told once, though lines with errors are tried again', async () => {
  const { warnings } = await load('. {\nfile warns {\nbad\n}\n}')
  assert.deepEqual(
    warnings.map(({ problem }) => problem),
    ['careful'],
  )
})

test("a plugin's error names the plugin, and reads as CoreDNS's", async () => {
  const { errors } = await load('. {\nlog bad\n}')
  assert.equal(errors[0]!.message, 'plugin/log: Corefile:2 - Error during parsing: a bad word. Write for example: good')
})

test('source ids: equal parts keep theirs, new ones get new ones, none is given twice', async () => {
  const ids = (loaded: Awaited<ReturnType<typeof load>>) =>
    loaded.blocks.flatMap((block) => block.plugins.map(({ name, sourceId }) => `${block.zones[0]}${name}=${sourceId}`))
  const first = await load('a.org {\nfile x\nlog\n}\nb.org {\nfile x\n}')
  assert.deepEqual(ids(first), ['a.org.log=1', 'a.org.file=2', 'b.org.file=3'])
  const moved = await load('# moved\nb.org {\nwhoami\nfile x\n}\na.org {\nlog\n file x\n}', {
    previousSources: first.sources,
  })
  assert.deepEqual(ids(moved), ['b.org.file=3', 'b.org.whoami=4', 'a.org.log=1', 'a.org.file=2'])
  const changed = await load('a.org {\nfile y\n}', { previousSources: moved.sources })
  assert.deepEqual(ids(changed), ['a.org.file=5'])
  const back = await load('a.org {\nfile x\n}', { previousSources: changed.sources })
  assert.deepEqual(ids(back), ['a.org.file=6'])
  const keys = await load('a.org c.org {\nfile x\n}', { previousSources: back.sources })
  assert.deepEqual(ids(keys), ['a.org.file=7'])
})

test('source ids: equal parts of several blocks have different ones, each kept', async () => {
  const text = '. {\nview a\nfile x\n}\n. {\nview b\nfile x\n}\n'
  const first = await load(text)
  const files = (loaded: typeof first) =>
    loaded.blocks.map((block) => block.plugins.find(({ name }) => name === 'file')!.sourceId)
  const second = await load(text, { previousSources: first.sources })
  assert.notEqual(files(first)[0], files(first)[1])
  assert.deepEqual(files(second), files(first))
})

test('the hash is of what the Corefile says, not of how it is written', async () => {
  const hash = async (text: string, environment = {}) => (await load(text, { environment })).config!.hash
  const plain = await hash('a.org b.org {\nlog x {\nclass all\n}\nwhoami\nlog y\n}\n')
  assert.match(plain, /^[0-9a-f]{128}$/)
  writeFileSync(join(folder, 'part'), 'log x {\n class all\n}\n')
  const same = [
    '# comment\na.org,\n  b.org {\n whoami\n log "x" {\n  class all # all\n }\n log y\n}',
    '(s) {\nwhoami\n}\na.org {$B} {\nimport part\nimport s\nlog y\n}',
  ]
  for (const text of same) assert.equal(await hash(text, { B: 'b.org' }), plain, text)
  const different = [
    'b.org a.org {\nlog x {\nclass all\n}\nwhoami\nlog y\n}\n',
    'a.org b.org {\nlog y\nlog x {\nclass all\n}\nwhoami\n}\n',
    'a.org b.org {\nlog x {\nclass\nall\n}\nwhoami\nlog y\n}\n',
  ]
  for (const text of different) {
    assert.notEqual(await hash(text), plain, text)
  }
})

test('the configuration is plain data', async () => {
  const { config } = await load('. {\nbind 127.0.0.1\nroot zones\nlog\n}')
  assert.deepEqual(structuredClone(config), config)
})

test('nothing is opened: the port may be taken', async () => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    const { port } = server.address() as { port: number }
    assert.deepEqual(await messages(`.:${port} {\nbind 127.0.0.1\n}`), [])
  } finally {
    server.close()
  }
})

test('blocks whose directives say the same share the options, unless these were made from the block', async () => {
  const load = async (text: string) => {
    const corefile = { file: 'Corefile', text, folder }
    const { config, errors } = await loadServerConfig({ corefile, plugins, workingFolder: folder, environment: {} })
    assert.deepEqual(errors, [])
    return (block: number, name: string) => config!.blocks[block]!.plugins.find((plugin) => plugin.name === name)!
  }
  const block = (key: string, address: string) => `${key} {\n  bind ${address}\n  log same\n}\n`
  const of = await load(block('a.', '127.0.0.1') + block('b.', '127.0.0.1') + block('c.', '127.0.0.2'))
  assert.equal(of(0, 'bind').options, of(1, 'bind').options)
  assert.notEqual(of(0, 'bind').sourceId, of(1, 'bind').sourceId)
  assert.deepEqual(of(2, 'bind').options, { addresses: ['127.0.0.2'] })
  // This one asked for paths and zones: what it was given may be the block's own.
  assert.notEqual(of(0, 'log').options, of(1, 'log').options)
})
