/** Blocks with the same plugins: all but the first are opened, in each thread, when their first query comes. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { decodeReply } from '../support/decode-reply.ts'
import { composeTestQuery, openUdpClient } from '../support/dns-client.ts'
import { startServer, type TestServer } from '../support/server.ts'

const [A, CNAME, ANY] = [1, 5, 255]
const BLOCKS = 6

const running: TestServer[] = []
after(() => Promise.all(running.map((server) => server.stop())))

const zoneOf = (i: number): string => `z${i}.example`

function corefile(ahead = ''): string {
  const blocks = Array.from({ length: BLOCKS }, (_, i) =>
    [
      `${zoneOf(i)}:PORT {`,
      ...['bind 127.0.0.1', 'errors', 'cache', 'loadbalance', 'log', 'prometheus 127.0.0.1:PORT2'],
      ...[`file db${i}`, '}\n'],
    ].join('\n'),
  )
  return ahead + blocks.join('')
}

/** `alias` leads into the next block's zone, so that its answer is made in the pool. */
function files(): Record<string, string> {
  return Object.fromEntries(
    Array.from({ length: BLOCKS }, (_, i) => [
      `db${i}`,
      [
        `$ORIGIN ${zoneOf(i)}.`,
        '@ 60 IN SOA ns hostmaster 1 3600 600 86400 60',
        '@ 60 IN NS ns',
        `www 60 IN A 192.0.2.${i}`,
        `alias 60 IN CNAME www.${zoneOf((i + 1) % BLOCKS)}.`,
        '',
      ].join('\n'),
    ]),
  )
}

async function answers(port: number): Promise<string[]> {
  const client = openUdpClient(port)
  const found: string[] = []
  try {
    for (let i = BLOCKS - 1; i >= 0; i--) {
      for (const [name, qtype] of [
        ['alias', A],
        ['www', A],
        ['alias', CNAME],
        ['missing', A],
        ['www', ANY],
      ] as const) {
        const reply = await client.ask(composeTestQuery(`${name}.${zoneOf(i)}`, qtype), 2000)
        assert.notEqual(reply, undefined, `${name}.${zoneOf(i)}`)
        const { rcode, sections } = decodeReply(reply!)
        found.push(`${name}${i} ${rcode} ${sections[0].map(({ type, rdata }) => `${type}=${rdata}`).join()}`)
      }
    }
  } finally {
    client.close()
  }
  return found
}

for (const processes of ['1', '2']) {
  test(`each block answers from the record store and from the pool, before and after a reload (${processes} processes)`, async () => {
    const server = await startServer(corefile(), { files: files(), args: ['-processes', processes] })
    running.push(server)
    const before = await answers(server.port)
    const octet = (i: number): string => i.toString(16).padStart(2, '0')
    for (let i = 0; i < BLOCKS; i++) {
      assert.ok(before.includes(`www${i} 0 1=c00002${octet(i)}`), before.join('\n'))
      const alias = before.find((line) => line.startsWith(`alias${i} 0 5=`))!
      assert.ok(alias.endsWith(`,1=c00002${octet((i + 1) % BLOCKS)}`), before.join('\n'))
      assert.ok(before.includes(`missing${i} 3 `), before.join('\n'))
      await server.line(new RegExp(`"A IN www\\.z${i}\\.example\\. `))
    }
    const from = server.lines.length
    server.writeCorefile(corefile('first.example:PORT {\nbind 127.0.0.1\nwhoami\n}\n'))
    server.signal('SIGUSR1')
    await server.line(/Reloading complete/, from)
    assert.deepEqual(await answers(server.port), before)
    const metrics = await (await fetch(`http://127.0.0.1:${server.ports[1]}/metrics`)).text()
    for (let i = 0; i < BLOCKS; i++) {
      assert.match(metrics, new RegExp(`coredns_dns_requests_total\\{[^}]*zone="z${i}\\.example\\."`))
      assert.match(
        metrics,
        new RegExp(`coredns_plugin_enabled\\{[^}]*zone="z${i}\\.example\\.",view="",name="file"\\} 1`),
      )
    }
    server.signal('SIGTERM')
    assert.equal(await server.ended(), 0)
    assert.deepEqual(server.errors, [])
  })
}
