import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { get as httpsGet } from 'node:https'
import { createServer } from 'node:net'
import { join } from 'node:path'
import test from 'node:test'
import { gunzipSync } from 'node:zlib'
import { Counter, Registry } from 'prom-client'
import type { FrontContext } from '../../src/chain/plugin.ts'
import { figuresOf } from '../../src/messages/figures.ts'
import { encodeProtobuf, PROTOBUF_CONTENT_TYPE } from '../../src/observe/protobuf-exposition.ts'
import { enabledBlocks } from '../../src/plugins/prometheus/enabled-plugins.ts'
import { type PrometheusOptions, plugin } from '../../src/plugins/prometheus/index.ts'
import { MetricsEndpoint } from '../../src/plugins/prometheus/metrics-endpoint.ts'
import { openQueryCounters } from '../../src/plugins/prometheus/query-counters.ts'
import { scanSettings } from '../../src/plugins/prometheus/settings-file.ts'
import { NO_ZONE } from '../../src/zone/zone-store.ts'
import { OCTETS_PER_CALL_NONE, octetsPerCall } from '../support/allocations.ts'
import { parseWith } from '../support/directives.ts'
import { freePort } from '../support/dns-client.ts'
import { aBlock, aClient, aListener, aLog, anOutcome, aQuery, aReply } from '../support/front.ts'
import { aServer } from '../support/server-control.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const folder = temporaryFolder()
const LOCAL = { host: '127.0.0.1', port: 0 }
const OPTIONS: PrometheusOptions = { address: LOCAL, runtimeMetrics: false, webConfigFile: undefined }

test('syntax', () => {
  const defaults = { address: { host: 'localhost', port: 9153 }, runtimeMetrics: false, webConfigFile: undefined }
  const cases: readonly [string, unknown][] = [
    ['prometheus', defaults],
    ['prometheus 127.0.0.1:53', { ...defaults, address: { host: '127.0.0.1', port: 53 } }],
    [
      'prometheus :9153 {\nruntime_metrics\n}',
      { ...defaults, address: { host: '', port: 9153 }, runtimeMetrics: true },
    ],
    ['prometheus {\ntls web.yml\n}', { ...defaults, webConfigFile: '/web.yml' }],
  ]
  for (const [source, want] of cases) assert.deepEqual(parseWith(plugin, source), want, source)
  const errors: readonly [string, RegExp][] = [
    ['prometheus localhost', /missing port in address/],
    ['prometheus a:1 b:2', /Wrong argument count/],
    ['prometheus\nprometheus', /only be used once/],
    ['prometheus {\nruntime_metrics x\n}', /Wrong argument count/],
    ['prometheus {\ntls\n}', /Wrong argument count/],
    ['prometheus {\ntls a b\n}', /Wrong argument count/],
    ['prometheus {\ntls a\ntls b\n}', /tls block already specified/],
    ['prometheus {\nunknown\n}', /unknown (property|option)/],
  ]
  for (const [source, message] of errors) assert.throws(() => parseWith(plugin, source), { message }, source)
})

function openCounters(
  zones: readonly string[],
  plugins: readonly string[],
  findZone: (sourceId: number, name: string) => number = () => NO_ZONE,
) {
  const registry = new Registry()
  const context = {
    block: aBlock(
      zones,
      plugins.map((name) => ({ name })),
    ),
    listeners: [aListener(), aListener({ id: 1, server: 'tls://:853' })],
    registry,
    store: {
      findZone: (sourceId: number, query: { name: Uint8Array; nameLength: number }) =>
        findZone(sourceId, Buffer.from(query.name.subarray(0, query.nameLength)).toString('latin1')),
    },
  } as unknown as FrontContext
  const part = openQueryCounters(OPTIONS, context)
  const count = (name: string, listenerId = 0) => {
    const query = aQuery({ name })
    part.observe!(query, aClient('192.0.2.7', 1, { listenerId }), anOutcome(aReply(query, {})))
  }
  const zonesCounted = async () =>
    [
      ...(await registry.getSingleMetricAsString('coredns_dns_requests_total')).matchAll(
        /server="([^"]*)",zone="([^"]*)".* (\d+)/g,
      ),
    ].map(([, server, zone, value]) => `${server} ${zone} ${value}`)
  return { registry, part, count, zonesCounted }
}

test("the zone label is the longest of the block's keys, `.` for names outside", async () => {
  const { count, zonesCounted } = openCounters(['example.org.', 'a.example.org.'], ['prometheus', 'whoami'])
  for (const name of ['example.org', 'x.example.org', 'x.a.EXAMPLE.org', 'ba.example.org', 'example.net']) count(name)
  count('a.example.org', 1)
  assert.deepEqual((await zonesCounted()).sort(), [
    'dns://:53 . 1',
    'dns://:53 a.example.org. 1',
    'dns://:53 example.org. 3',
    'tls://:853 a.example.org. 1',
  ])
})

test('zones that auto loaded are labels too', async () => {
  const { count, zonesCounted } = openCounters(['.'], ['prometheus', 'auto'], (sourceId, name) =>
    sourceId === 2 && name.endsWith('\x03sub\x07example\x03org\x00') ? 5 : NO_ZONE,
  )
  for (const name of ['sub.example.org', 'x.y.sub.example.org', 'example.org']) count(name)
  assert.deepEqual((await zonesCounted()).sort(), ['dns://:53 . 1', 'dns://:53 sub.example.org. 2'])
})

test('the plugin label is the handler behind prometheus', async () => {
  for (const [plugins, want] of [
    [['prometheus', 'errors', 'cache'], 'errors'],
    [['health', 'prometheus', 'ready', 'tls', 'whoami'], 'whoami'],
    [['prometheus'], ''],
  ] as const) {
    const { registry, count } = openCounters(['.'], plugins)
    count('example.org')
    assert.match(
      await registry.getSingleMetricAsString('coredns_dns_responses_total'),
      new RegExp(`rcode="NOERROR",plugin="${want}"\\} 1`),
    )
  }
})

test('counting a query does not allocate', () => {
  const { part } = openCounters(['.'], ['prometheus', 'errors', 'auto'])
  const query = aQuery({ name: 'www.example.org' })
  const client = aClient()
  const outcome = anOutcome(aReply(query, {}), { seconds: 0.001 })
  const { part: plain } = openCounters(['example.org.', '.'], ['prometheus', 'errors'])
  const perCall = octetsPerCall(() => plain.observe!(query, client, outcome))
  assert.ok(perCall < OCTETS_PER_CALL_NONE, `${perCall} octets per query`)
  assert.notEqual(part.observe, undefined)
})

async function open(options: Partial<PrometheusOptions> = {}) {
  const registry = new Registry()
  const log = aLog()
  const server = aServer()
  server.listeners = [aListener({ zones: [{ zone: '.', blockIds: [0] }] })]
  const block = aBlock(['.'], [{ name: 'errors' }, { name: 'health' }, { name: 'prometheus' }])
  const part = new MetricsEndpoint({ ...OPTIONS, ...options }, { log, registry, server, block })
  await part.start()
  return { registry, log, server, part }
}

test('serves the text of the whole server, one gathering for all who ask at once, gzip when accepted', async (t) => {
  const { server, part, registry } = await open()
  t.after(() => part.stop())
  const url = `http://127.0.0.1:${part.address!.port}/metrics`
  const counter = new Counter({ name: 'a_total', help: 'A.', labelNames: ['n'], registers: [server.sum] })
  for (let n = 0; n < 100; n++) counter.inc({ n: String(n) }, n)
  const sum = await server.sum.metrics()
  server.gatherMs = 1000
  const texts = await Promise.all(Array.from({ length: 5 }, async () => (await fetch(url)).text()))
  server.gatherMs = 0
  assert.deepEqual(new Set(texts), new Set([sum]))
  assert.equal(server.gathered, 1)
  const [response] = await once(get(url, { headers: { 'Accept-Encoding': 'deflate, gzip;q=0.5' } }), 'response')
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk)
  assert.equal(response.headers['content-encoding'], 'gzip')
  assert.equal(response.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8')
  assert.equal(gunzipSync(Buffer.concat(chunks)).toString(), sum)
  const accept =
    'application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,*/*;q=0.2'
  const [asProtobuf] = await once(get(url, { headers: { Accept: accept } }), 'response')
  assert.equal(asProtobuf.headers['content-type'], PROTOBUF_CONTENT_TYPE)
  const octets: Buffer[] = []
  for await (const chunk of asProtobuf) octets.push(chunk)
  assert.deepEqual(Buffer.concat(octets), encodeProtobuf(await figuresOf(server.sum)))
  const text = await registry.metrics()
  assert.match(text, /coredns_build_info\{version="\d+\.\d+\.\d+[^"]*",revision="",goversion="v\d+[^"]*"\} 1/)
  assert.match(text, /coredns_plugin_enabled\{server="dns:\/\/:53",zone="\.",view="",name="errors"\} 1/)
  assert.match(text, /name="prometheus"\} 1/)
  assert.doesNotMatch(text, /name="health"/)
  server.listeners = [aListener({ zones: [{ zone: 'b.', blockIds: [0] }] })]
  assert.match(
    await registry.metrics(),
    /coredns_plugin_enabled\{server="dns:\/\/:53",zone="b\.",view="",name="errors"\} 1/,
  )
  await part.stop()
  assert.doesNotMatch(await registry.metrics(), /coredns_plugin_enabled\{/)
})

test('parts of one server and address have one endpoint, open until the last of them stops', async () => {
  const registry = new Registry()
  const log = aLog()
  const server = aServer()
  const port = await freePort()
  const address = { host: '127.0.0.1', port }
  const block = aBlock(['.'], [{ name: 'prometheus' }])
  const parts = [0, 1].map(() => new MetricsEndpoint({ ...OPTIONS, address }, { log, registry, server, block }))
  for (const part of parts) await part.start()
  const status = async () => (await fetch(`http://127.0.0.1:${port}/metrics`)).status
  assert.equal(await status(), 200)
  await parts[0]!.stop()
  assert.equal(await status(), 200)
  await parts[1]!.stop()
  await assert.rejects(status())
  await parts[0]!.start()
  assert.equal(await status(), 200)
  await parts[0]!.stop()
  assert.deepEqual(log.lines, [])
})

test('a port that is taken and a missing web configuration are told, and the server goes on', async () => {
  const blocker = createServer().listen(0, '127.0.0.1')
  await once(blocker, 'listening')
  const { port } = blocker.address() as { port: number }
  const taken = await open({ address: { host: '127.0.0.1', port } })
  assert.deepEqual(taken.log.lines, [
    `ERROR Failed to start metrics handler: listen tcp 127.0.0.1:${port}: bind: address already in use`,
  ])
  await taken.part.stop()
  blocker.close()
  const missing = await open({ webConfigFile: join(folder, 'missing.yml') })
  assert.deepEqual(missing.log.lines, [
    `ERROR Failed to start HTTPS metrics server: TLS config file does not exist: ${join(folder, 'missing.yml')}`,
  ])
  await missing.part.stop()
})

test('over TLS, with the headers of the web configuration', async () => {
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '2',
      '-subj',
      '/CN=localhost',
      '-keyout',
      join(folder, 'tls.key'),
      '-out',
      join(folder, 'tls.crt'),
    ],
    { stdio: 'ignore' },
  )
  writeFileSync(
    join(folder, 'web.yml'),
    'tls_server_config:\n  cert_file: tls.crt\n  key_file: "tls.key" # next to this file\nhttp_server_config:\n  headers:\n    X-Frame-Options: deny\n',
  )
  const { part, log, server } = await open({ webConfigFile: join(folder, 'web.yml') })
  assert.deepEqual(log.lines, [])
  const [response] = await once(
    httpsGet(`https://127.0.0.1:${part.address!.port}/metrics`, { rejectUnauthorized: false, agent: false }),
    'response',
  )
  let text = ''
  for await (const chunk of response) text += chunk
  assert.deepEqual(
    [response.statusCode, text, response.headers['x-frame-options']],
    [200, await server.sum.metrics(), 'deny'],
  )
  await part.stop()
  const bad: readonly [string, RegExp][] = [
    ['tls_server_config:\n  key_file: tls.key\n', /missing one of cert or cert_file/],
    ['tls_server_config:\n  cert_file: tls.crt\n  key_file: none.key\n', /none\.key/],
    ['tls_server_config:\n  cert_file: tls.crt\n  key_file: tls.key\n  client_auth_type: x\n', /Invalid ClientAuth: x/],
    ['basic_auth_users:\n  a: b\n', /basic_auth_users/],
    ['other: 1\n', /field other not found/],
    ['http_server_config:\n  headers:\n    X-Frame-Options: d\u0142ug\n', /"X-Frame-Options" has a character/],
    ['a\n', /web\.yml:1: "name: value" is expected/],
  ]
  for (const [content, message] of bad) {
    writeFileSync(join(folder, 'web.yml'), content)
    const opened = await open({ webConfigFile: join(folder, 'web.yml') })
    assert.match(opened.log.lines[0]!, message)
    assert.equal(opened.part.address, undefined)
    await opened.part.stop()
  }
})

test('settings files: mappings, lists, quotes, comments, and errors with their line', () => {
  const text = `---\n# comment\na:\n  b: 1 # one\n  "c d": 'it''s # no comment'\n  e:\n    - x\n    - "y z"\n  f: [p, 'q']\n  g: []\n  h:\ni: j:k\n`
  const settings = scanSettings(text, 'f')
  assert.deepEqual(
    settings,
    new Map<string, unknown>([
      [
        'a',
        new Map<string, unknown>([
          ['b', '1'],
          ['c d', "it's # no comment"],
          ['e', ['x', 'y z']],
          ['f', ['p', 'q']],
          ['g', []],
          ['h', ''],
        ]),
      ],
      ['i', 'j:k'],
    ]),
  )
  assert.deepEqual(scanSettings('', 'f'), new Map())
  const errors: readonly [string, RegExp][] = [
    ['a: 1\n  b: 2', /f:2: indented further/],
    ['a: 1\na: 2', /f:2: "a" is there twice/],
    ['a:\n\tb: 1', /f:2: a tab/],
    ['a: &x 1', /f:1: can't read/],
    ['a: [1', /f:1: a list in brackets/],
    ['- a', /f:1: "name: value"/],
    [Array.from({ length: 20 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'), /nested too deep/],
  ]
  for (const [bad, message] of errors) assert.throws(() => scanSettings(bad, 'f'), message, bad)
})

test('a series of plugin_enabled that two parts have during a reload is there once', async () => {
  const registry = new Registry()
  const zones = [{ listener: aListener(), zone: 'example.' }]
  enabledBlocks(registry).add({ zones, plugins: ['errors', 'file'] })
  enabledBlocks(registry).add({ zones, plugins: ['file'] })
  const lines = (await registry.metrics()).split('\n').filter((line) => line.startsWith('coredns_plugin_enabled{'))
  assert.equal(lines.length, 2)
})
