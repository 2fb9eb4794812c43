/**
 * The five invariants of docs/ARCHITECTURE.md, on the whole server:
 *
 *   1. no reply to a reply; none larger than the client takes; the question comes back octet by octet
 *   2. nothing that a client sends gets out of the event loop, grows memory or keeps others waiting: hostile.test.ts
 *   3. the same answers from cache and chain, over mmsg and dgram, from 1 process and 2, before and after a reload
 *   4. no old answer after a change, no query lost over a reload: zoneChanges and reloads in ../soak
 *   5. the record store is held once per process, the cache stays within its bounds
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, describe, test } from 'node:test'
import {
  composeTestQuery,
  openTcpClient as connectTcp,
  openUdpClient as connectUdp,
  type QueryOptions,
  type TestClient,
} from '../support/dns-client.ts'
import { fakeReply, openFakeUpstream } from '../support/fake-upstream.ts'
import { type ServerOptions, startServer, type TestServer } from '../support/server.ts'

const [A, NS, SOA, MX, TXT, AAAA, SRV, ANY] = [1, 2, 6, 15, 16, 28, 33, 255]
const running: TestServer[] = []
const clients: TestClient[] = []
after(async () => {
  for (const client of clients) client.close()
  await Promise.all(running.map((server) => server.stop()))
})

function openUdpClient(port: number): TestClient {
  clients.push(connectUdp(port))
  return clients.at(-1)!
}

function openTcpClient(port: number): TestClient {
  clients.push(connectTcp(port))
  return clients.at(-1)!
}

const ZONE = `$ORIGIN inv.example.
@ 300 IN SOA ns hostmaster 1 3600 600 86400 60
@ 300 IN NS ns
@ 300 IN MX 10 mail
ns 300 IN A 192.0.2.1
mail 300 IN A 192.0.2.2
mail 300 IN AAAA 2001:db8::2
www 300 IN CNAME mail
*.wild 300 IN TXT "from a wildcard"
deep.empty.non.terminal 300 IN A 192.0.2.3
_dns._udp 300 IN SRV 0 0 53 ns
sub 300 IN NS ns.sub
ns.sub 300 IN A 192.0.2.4
old 300 IN DNAME new
x.new 300 IN A 192.0.2.5
${Array.from({ length: 120 }, (_, i) => `large 300 IN TXT "${'x'.repeat(100)} ${i}"`).join('\n')}
`

function corefile(upstream: number, comment = ''): string {
  return `# ${comment}
inv.example:PORT {
  file db.inv.example
}
chain.example:PORT {
  cache
  template IN TXT chain.example {
    match "^(?P<label>[^.]+)[.]chain[.]example[.]$"
    answer "{{ .Name }} 60 IN TXT {{ .Group.label }}"
    additional "extra.chain.example. 60 IN A 192.0.2.6"
  }
  template IN A chain.example {
    rcode NXDOMAIN
    authority "chain.example. 60 IN SOA ns.chain.example. h.chain.example. 1 2 3 4 5"
  }
  hosts {
    192.0.2.7 host.chain.example
    fallthrough
  }
}
.:PORT {
  cache
  forward . 127.0.0.1:${upstream}
}
`
}

interface Question {
  readonly qname: string
  readonly qtype: number
  readonly options?: QueryOptions
}

const questions: Question[] = [
  ...['inv.example', 'mail.inv.example', 'www.inv.example', 'a.wild.inv.example', 'missing.inv.example'].flatMap(
    (qname) => [A, AAAA, TXT, ANY].map((qtype) => ({ qname, qtype })),
  ),
  { qname: 'inv.example', qtype: SOA },
  { qname: 'inv.example', qtype: NS },
  { qname: 'inv.example', qtype: MX },
  { qname: 'empty.non.terminal.inv.example', qtype: A },
  { qname: '_dns._udp.inv.example', qtype: SRV },
  { qname: 'host.sub.inv.example', qtype: A },
  { qname: 'x.old.inv.example', qtype: A },
  { qname: 'large.inv.example', qtype: TXT },
  { qname: 'one.chain.example', qtype: TXT },
  { qname: 'tWo.ChAiN.example', qtype: TXT },
  { qname: 'one.chain.example', qtype: A },
  { qname: 'host.chain.example', qtype: A },
  { qname: 'host.chain.example', qtype: AAAA },
  { qname: 'far.test', qtype: A },
  { qname: 'missing.test', qtype: A },
  { qname: 'failing.test', qtype: A },
].flatMap((question) => [
  question,
  { ...question, options: { udpSize: 1232 } },
  { ...question, options: { udpSize: 4096, dnssecOk: true } },
  { ...question, options: { flags: 0 } },
])

/** Answers by name; nothing of it changes with time. */
async function openUpstream(): Promise<number> {
  const upstream = await openFakeUpstream(({ message, send }) => {
    const label = message.toString('latin1', 13, 13 + message[12]!)
    if (label === 'far') send(fakeReply(message, { addresses: ['192.0.2.8', '192.0.2.9'] }))
    else send(fakeReply(message, { rcode: label === 'missing' ? 3 : 2 }))
  })
  return upstream.port
}

async function start(text: string, options: ServerOptions): Promise<TestServer> {
  const server = await startServer(text, { files: { 'db.inv.example': ZONE }, ...options })
  running.push(server)
  return server
}

/** The reply in hexadecimal with the TTLs of cached records, which age, set to 0. */
function timeless(reply: Uint8Array | undefined, isAging: boolean): string {
  if (reply === undefined) return 'no reply'
  const bytes = Buffer.from(reply)
  if (!isAging) return bytes.toString('hex')
  let at = 12
  const skipName = (): void => {
    while (bytes[at]! !== 0 && bytes[at]! < 0xc0) at += bytes[at]! + 1
    at += bytes[at] === 0 ? 1 : 2
  }
  skipName()
  at += 4
  for (let left = bytes.readUInt16BE(6) + bytes.readUInt16BE(8) + bytes.readUInt16BE(10); left > 0; left--) {
    skipName()
    // Type OPT keeps its flags where others have the TTL.
    if (bytes.readUInt16BE(at) !== 41) bytes.writeUInt32BE(0, at + 4)
    at += 10 + bytes.readUInt16BE(at + 8)
  }
  return bytes.toString('hex')
}

async function ask(
  client: TestClient,
  { qname, qtype, options = {} }: Question,
  id = 4711,
): Promise<Uint8Array | undefined> {
  return client.ask(composeTestQuery(qname, qtype, { ...options, id }))
}

/** Queries that wait at a time. */
const AT_ONCE = 8

async function answersOf(server: TestServer, over: 'udp' | 'tcp'): Promise<string[]> {
  const client = over === 'udp' ? openUdpClient(server.port) : openTcpClient(server.port)
  const answers: string[] = []
  for (let i = 0; i < questions.length; i += AT_ONCE) {
    const asked = questions.slice(i, i + AT_ONCE)
    const replies = await Promise.all(asked.map((question) => ask(client, question)))
    for (const [k, { qname }] of asked.entries()) answers.push(timeless(replies[k], !qname.endsWith('inv.example')))
  }
  return answers
}

function compare(found: readonly string[], expected: readonly string[], about: string): void {
  for (const [i, { qname, qtype, options }] of questions.entries()) {
    assert.equal(found[i], expected[i], `${about}: ${qname} type ${qtype} ${JSON.stringify(options ?? {})}`)
  }
}

describe('invariant 3: the same answers', () => {
  test('cold, from the cache, by each transport, from 1 process and 2, after a reload', {
    timeout: 120_000,
  }, async () => {
    const upstream = await openUpstream()
    const expected: { udp?: string[]; tcp?: string[] } = {}
    for (const transport of ['mmsg', 'dgram']) {
      for (const processes of ['1', '2']) {
        const server = await start(corefile(upstream), {
          args: ['-processes', processes, '-udp', transport === 'mmsg' ? 'auto' : transport],
        })
        const about = `${transport}, ${processes} processes`
        for (const over of ['udp', 'tcp'] as const) {
          const cold = await answersOf(server, over)
          assert.equal(cold.indexOf('no reply'), -1, `${about}: every question has an answer`)
          expected[over] ??= cold
          compare(cold, expected[over], `${about}, ${over}, cold`)
          compare(await answersOf(server, over), expected[over], `${about}, ${over}, again`)
        }
        const from = server.lines.length
        server.writeCorefile(corefile(upstream, 'another comment'))
        server.signal('SIGUSR1')
        await server.line(/Reloading complete/, from, 20_000)
        for (const over of ['udp', 'tcp'] as const) {
          compare(await answersOf(server, over), expected[over]!, `${about}, ${over}, after a reload`)
        }
        await server.stop()
      }
    }
  })
})

describe('invariant 1', () => {
  for (const transport of ['auto', 'dgram']) {
    test(`-udp ${transport}: no reply to a reply, the question as it was, no more octets than fit`, async () => {
      const server = await start(corefile(await openUpstream()), { args: ['-processes', '1', '-udp', transport] })
      const udp = openUdpClient(server.port)
      const tcp = openTcpClient(server.port)
      const patience = 300
      const replies = questions.map(({ qname, qtype, options = {} }) =>
        composeTestQuery(qname, qtype, { ...options, flags: 0x8100 | (options.flags ?? 0) }),
      )
      const answered = await Promise.all(replies.map((reply) => udp.ask(reply, patience)))
      assert.equal(answered.filter((reply) => reply !== undefined).length, 0)
      assert.equal(await tcp.ask(replies[0]!, patience), undefined)
      for (const client of [udp, tcp]) {
        for (const question of questions) {
          const { qname, qtype, options = {} } = question
          const query = composeTestQuery(qname, qtype, options)
          const reply = await client.ask(query)
          assert.ok(reply, qname)
          const end = 12 + qname.length + 2 + 4
          assert.deepEqual(reply.subarray(12, end), query.subarray(12, end), `the question of ${qname}`)
        }
      }
      for (const udpSize of [0, 512, 600, 1232, 1400, 65_535]) {
        for (const qname of ['large.inv.example', 'one.chain.example', 'far.test']) {
          const most = Math.min(1232, Math.max(512, udpSize))
          const reply = (await udp.ask(composeTestQuery(qname, TXT, { udpSize })))!
          assert.ok(reply.length <= most, `${qname}: ${reply.length} octets where ${most} fit`)
          assert.equal((reply[2]! & 2) !== 0, qname.startsWith('large'), `TC of ${qname}`)
        }
      }
      assert.ok((await tcp.ask(composeTestQuery('large.inv.example', TXT)))!.length > 12_000)
    })
  }
})

describe('invariant 5', () => {
  test('records are held once, however many threads look them up', { timeout: 120_000 }, async () => {
    const head = '$ORIGIN inv.example.\n$TTL 300\n@ IN SOA ns h 1 3600 600 86400 60\n@ IN NS ns\nns IN A 192.0.2.1\n'
    // A template that never matches keeps the zone out of the front: the threads look up.
    const text =
      'inv.example:PORT {\n  template IN TXT inv.example {\n    match ^never\n    fallthrough\n  }\n  file db.inv.example\n}\n'
    const bytesPerThread = async (names: number): Promise<{ first: number; further: number }> => {
      const lines = Array.from({ length: names }, (_, i) => `n${i} IN TXT "${'x'.repeat(240)} ${i}"`)
      const sizes: number[] = []
      for (const threads of [1, 4]) {
        const server = await start(text, {
          files: { 'db.inv.example': head + lines.join('\n') },
          args: ['-processes', '1', '-threads', String(threads)],
          patienceMs: 60_000,
        })
        const client = openUdpClient(server.port)
        for (let i = 0; i < 2000; i += AT_ONCE) {
          const asked = Array.from({ length: AT_ONCE }, (_, k) => `n${((i + k) * 97) % names}.inv.example`)
          const replies = await Promise.all(asked.map((qname) => ask(client, { qname, qtype: TXT })))
          for (const reply of replies) assert.ok(reply !== undefined && reply[7] === 1)
        }
        sizes.push(anonymousBytes(server.pid))
        await server.stop()
      }
      return { first: sizes[0]!, further: (sizes[1]! - sizes[0]!) / 3 }
    }
    const few = await bytesPerThread(1000)
    const many = await bytesPerThread(80_000)
    const records = many.first - few.first
    const copied = many.further - few.further
    const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`
    assert.ok(records > 15e6, `${mb(records)} for 80,000 names: what was measured?`)
    // A heap that grew by itself is some megabytes.
    assert.ok(copied < records / 2, `${mb(copied)} of ${mb(records)} more in each further thread`)
  })

  test('the cache takes what it may, and no more', { timeout: 120_000 }, async () => {
    const text = `.:PORT {
  prometheus 127.0.0.1:PORT1
  cache {
    success 1000
    denial 1000
  }
  template IN ANY . {
    answer "{{ .Name }} 60 IN TXT {{ .Name }}"
  }
}
`
    const server = await start(text, { args: ['-processes', '1'] })
    const eight = Array.from({ length: 8 }, () => openUdpClient(server.port))
    const cacheBytes = async (state: string): Promise<number> => {
      const metrics = await (await fetch(`http://127.0.0.1:${server.ports[1]}/metrics`)).text()
      return Number(new RegExp(`^shoal_cache_bytes\\{.*state="${state}".*\\} (\\S+)$`, 'm').exec(metrics)?.[1])
    }
    const ask1000 = async (from: number): Promise<void> => {
      for (let i = from; i < from + 1000; i += eight.length) {
        await Promise.all(eight.map((client, k) => client.ask(composeTestQuery(`name${i + k}.test`, TXT))))
      }
    }
    await ask1000(0)
    const before = {
      used: await cacheBytes('used'),
      reserved: await cacheBytes('reserved'),
      process: anonymousBytes(server.pid),
    }
    for (let i = 1; i <= 10; i++) await ask1000(i * 1000)
    assert.ok(before.used > 0 && before.used <= before.reserved)
    assert.equal(await cacheBytes('reserved'), before.reserved)
    assert.ok((await cacheBytes('used')) <= before.reserved)
    const grown = anonymousBytes(server.pid) - before.process
    assert.ok(grown < 32e6, `${Math.round(grown / 1e6)} MB more after 10 times as many names as fit`)
  })
})

/** Memory of a process that no file backs. */
function anonymousBytes(pid: number): number {
  return Number(/RssAnon:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]) * 1024
}
