/**
 * Where nobody serves yet the sockets open before the pool's threads are there: what memory holds is answered at once, and
 * what a plugin must make waits for its thread.
 */
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { decodeReply } from '../support/decode-reply.ts'
import { composeTestQuery, openUdpClient } from '../support/dns-client.ts'
import { spawnServer, type TestServer } from '../support/server.ts'
import { until } from '../support/until.ts'

const COREFILE = `local.example:PORT {
  prometheus 127.0.0.1:PORT1
  file db.local.example
}
.:PORT {
  template IN A {
    answer "{{ .Name }} 60 IN A 192.0.2.9"
  }
}
`
const ZONE = '$ORIGIN local.example.\n@ 300 IN SOA ns h 1 3600 600 86400 60\n@ 300 IN NS ns\nwww 300 IN A 192.0.2.2\n'
const A = 1

const servers: TestServer[] = []
after(() => Promise.all(servers.map((server) => server.stop())))

for (const processes of [1, 2]) {
  describe(`-processes ${processes}`, () => {
    test('the first query for what memory holds is answered before the server says that it serves', async () => {
      const server = await spawnServer(COREFILE, {
        files: { 'db.local.example': ZONE },
        args: ['-processes', String(processes)],
        // From the sources, as a clone runs it, in `npm test` too.
        env: { SHOAL_BUILT: '' },
      })
      servers.push(server)
      const client = openUdpClient(server.port)
      let early = false
      await until(
        'the first answer',
        async () => {
          const reply = await client.ask(composeTestQuery('www.local.example', A), 10)
          if (reply === undefined) return false
          assert.deepEqual(addressesOf(reply), ['c0000202'])
          early = !server.lines.some((line) => line.includes('UDP transport'))
          return true
        },
        20_000,
      )
      const metrics = await (await fetch(`http://127.0.0.1:${server.ports[1]}/metrics`)).text()
      assert.match(metrics, /^coredns_dns_responses_total\{.*zone="local\.example\.".*\} [1-9]/m)
      // Names of their own: none may be joined to another.
      const made = await Promise.all(
        Array.from({ length: 50 }, (_, i) => client.ask(composeTestQuery(`n${i}.made.example`, A), 10_000)),
      )
      for (const reply of made) {
        assert.ok(reply !== undefined)
        assert.deepEqual(addressesOf(reply), ['c0000209'])
      }
      client.close()
      assert.ok(early, 'the banner came first')
    })
  })
}

/** Hexadecimal. */
function addressesOf(reply: Uint8Array): readonly string[] {
  return decodeReply(reply).sections[0].map(({ rdata }) => rdata)
}
