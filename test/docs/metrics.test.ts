/**
 * docs/metrics.md is the list of what is exported: every name that the sources have is in it and the other way round, and
 * a server with all plugins exports nothing that isn't there, with the types and labels that are there.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { PLUGINS } from '../../src/plugins/order.ts'
import { composeTestQuery, openUdpClient } from '../support/dns-client.ts'
import { fakeReply, openFakeUpstream } from '../support/fake-upstream.ts'
import { startServer, type TestServer } from '../support/server.ts'

const ROOT = join(import.meta.dirname, '../..')
const PAGE = readFileSync(join(ROOT, 'docs/metrics.md'), 'utf8')

interface Family {
  readonly type: string
  readonly labels: readonly string[]
}

/** Rows of the page's tables: | `name` | type | label, label | meaning | */
const documented = new Map<string, Family>(
  [...PAGE.matchAll(/^\| `(\w+)` \| (\w+) \| ([\w, ]*?) ?\| \S.* \|$/gm)].map(([, name, type, labels]) => [
    name!,
    { type: type!, labels: labels === '' ? [] : labels!.split(', ') },
  ]),
)

test('names in the sources and on the page are the same', () => {
  const named = new Map<string, string>()
  for (const file of readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts')) continue
    const text = readFileSync(join(ROOT, 'src', file), 'utf8')
    for (const [, name] of text.matchAll(/'((?:coredns|shoal|process|nodejs)_[a-z0-9_]+)'/g)) named.set(name!, file)
  }
  const missing = [...named].filter(([name]) => !documented.has(name)).map(([name, file]) => `${name} (src/${file})`)
  assert.deepEqual(missing, [], 'docs/metrics.md has no row for')
  const gone = [...documented.keys()].filter((name) => !named.has(name))
  assert.deepEqual(gone, [], 'docs/metrics.md has rows for what no source names')
})

const running: TestServer[] = []
after(() => Promise.all(running.map((server) => server.stop())))

const FILES = {
  'db.example.org': '@ 60 SOA ns hostmaster 1 3600 600 86400 60\n@ 60 NS ns\nns 60 A 192.0.2.1\n',
  'hosts.txt': '192.0.2.2 host.example.net\n',
  'resolv.conf': 'search example.org\n',
  'weights.txt': 'www.weighted.test\n192.0.2.3 2\n',
}

function corefile(upstream: string): string {
  return `.:PORT {
    root .
    bind 127.0.0.1
    debug
    cancel
    multisocket 2
    reload
    ready 127.0.0.1:PORT1
    health 127.0.0.1:PORT1
    prometheus 127.0.0.1:PORT2 {
        runtime_metrics
    }
    errors
    log
    local
    any
    chaos
    loadbalance weighted weights.txt
    autopath search.test resolv.conf
    cache
    minimal
    template IN TXT template.test {
        answer "{{ .Name }} 60 IN TXT made"
    }
    hosts hosts.txt example.net
    k8s_external external.test
    kubernetes cluster.local {
        endpoint http://127.0.0.1:PORT3
        startup_timeout 1ms
    }
    file db.example.org example.org
    auto auto.test {
        directory .
    }
    loop
    forward . ${upstream}
    whoami
}
`
}

test('a server with all plugins exports what the page says', async (t) => {
  const upstream = await openFakeUpstream((asked) => asked.send(fakeReply(asked.message, { addresses: ['192.0.2.4'] })))
  const text = corefile(upstream.address)
  for (const { name, load } of PLUGINS) {
    if (load === undefined) continue
    assert.match(text, new RegExp(`^\\s*${name}\\b`, 'm'), `this test's Corefile has to use ${name}`)
  }
  // Two processes: with one there are no pauses.
  const server = await startServer(text, { args: ['-processes', '2', '-threads', '1'], files: FILES })
  running.push(server)
  const client = openUdpClient(server.port)
  for (const [qname, qtype] of [
    ['ns.example.org', 1],
    ['other.test', 1],
    ['x.template.test', 16],
    ['localhost', 1],
  ] as const) {
    assert.ok((await client.ask(composeTestQuery(qname, qtype))) !== undefined, `${qname} is answered`)
  }
  client.close()
  const reply = await fetch(`http://127.0.0.1:${server.ports[2]}/metrics`)
  const exported = familiesOf(await reply.text())
  const undocumented: string[] = []
  for (const [name, { type, labels }] of exported) {
    const row = documented.get(name)
    if (row === undefined) undocumented.push(`${name}: ${type}, ${labels.join(', ')}`)
    else {
      assert.equal(type, row.type, `type of ${name}`)
      if (labels.length > 0) assert.deepEqual([...labels].sort(), [...row.labels].sort(), `labels of ${name}`)
    }
  }
  assert.deepEqual(undocumented, [], 'docs/metrics.md has no row for')
  const silent = [...documented.keys()].filter((name) => !exported.has(name))
  t.diagnostic(`${exported.size} families exported; on the page alone: ${silent.join(', ') || 'none'}`)
  assert.ok(exported.size > 80, `${exported.size} families`)
})

/** Families of an exposition in Prometheus's text format, with the labels that their samples have. */
function familiesOf(text: string): Map<string, Family> {
  const families = new Map<string, { type: string; labels: string[] }>()
  for (const line of text.split('\n')) {
    const type = /^# TYPE (\S+) (\S+)$/.exec(line)
    if (type !== null) families.set(type[1]!, { type: type[2]!, labels: [] })
    const sample = /^([a-z0-9_]+)\{(.*)\} \S+$/.exec(line)
    if (sample === null) continue
    const name = families.has(sample[1]!) ? sample[1]! : sample[1]!.replace(/_(bucket|sum|count)$/, '')
    const family = families.get(name)
    assert.ok(family !== undefined, `a family for ${line}`)
    for (const [, label] of sample[2]!.matchAll(/(?:^|,)(\w+)="(?:[^"\\]|\\.)*"/g)) {
      if (label !== 'le' && !family.labels.includes(label!)) family.labels.push(label!)
    }
  }
  return families
}
