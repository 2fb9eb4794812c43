/** Smoke test on Node 24, the oldest that Shoal runs on: everything but the mmsg transport works there. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { arch, platform } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { decodeReply } from '../support/decode-reply.ts'
import { composeTestQuery, openTcpClient, openUdpClient } from '../support/dns-client.ts'
import { spawnServer, startServer } from '../support/server.ts'

const ROOT = join(import.meta.dirname, '../..')
const NODE = join(ROOT, `tools/dev-node24/node_modules/node-${platform()}-${arch()}/bin/node`)
const skip = existsSync(NODE) ? false : `no Node 24 for ${platform()}-${arch()} was installed: ${NODE}`
if (skip !== false) console.log(skip)
/** The first start on another Node compiles everything. */
const PATIENCE_MS = 60_000
const ENVIRONMENT = { SHOAL_NODE: NODE }

const TYPE_A = 1
const TYPE_TXT = 16
const TYPE_SRV = 33

/** Every kind of plugin: data in the store, computed, forwarded, cached, and HTTP endpoints. */
const COREFILE = `
example.:PORT {
  errors
  log
  prometheus 127.0.0.1:PORT1
  health 127.0.0.1:PORT2
  ready 127.0.0.1:PORT3
  loadbalance
  hosts hosts.txt {
    fallthrough
  }
  template IN TXT example {
    match "^t[.]example[.]$"
    answer "{{ .Name }} 60 IN TXT \\"from a template\\""
    fallthrough
  }
  file zone.txt
}
forwarded.example.:PORT {
  cache 30
  forward . 127.0.0.1:PORT4
}
.:PORT4 {
  whoami
}
`
const FILES = {
  'hosts.txt': '192.0.2.10 host.example\n',
  'zone.txt': '@ 60 SOA ns admin 1 2 3 4 5\n@ 60 NS ns\nns 60 A 192.0.2.53\nwww 60 A 192.0.2.80\n',
}

test('Node 24 is the one that is used', { skip }, () => {
  assert.match(execFileSync(NODE, ['--version'], { encoding: 'utf8' }), /^v24\./)
  const out = execFileSync(join(ROOT, 'bin/shoal'), ['-version'], {
    encoding: 'utf8',
    env: { ...process.env, ...ENVIRONMENT },
  })
  assert.match(out, /, node24\./)
})

for (const processes of [1, 2]) {
  test(`on Node 24 with ${processes} process(es): store, template, hosts, forward, cache, HTTP, reload, end`, {
    skip,
  }, async () => {
    const server = await startServer(COREFILE, {
      files: FILES,
      env: ENVIRONMENT,
      args: ['-processes', String(processes)],
      patienceMs: PATIENCE_MS,
    })
    const clients = [openUdpClient(server.port), openTcpClient(server.port)]
    try {
      await server.line(/UDP transport dgram: mmsg is not available: Node 24\S* has no node:ffi/, 0, PATIENCE_MS)
      for (const client of clients) {
        const ask = async (qname: string, qtype: number) => {
          const reply = await client.ask(composeTestQuery(qname, qtype), PATIENCE_MS)
          assert.ok(reply !== undefined, `no reply for ${qname}`)
          const { rcode, sections } = decodeReply(reply)
          return { rcode, rdata: sections[0].map((record) => record.rdata), additionals: sections[2] }
        }
        assert.deepEqual((await ask('www.example.', TYPE_A)).rdata, ['c0000250'])
        assert.deepEqual((await ask('host.example.', TYPE_A)).rdata, ['c000020a'])
        assert.deepEqual((await ask('t.example.', TYPE_TXT)).rdata, [
          `0f${Buffer.from('from a template').toString('hex')}`,
        ])
        assert.equal((await ask('none.example.', TYPE_A)).rcode, 3)
        for (let times = 0; times < 2; times++) {
          const { additionals } = await ask('a.forwarded.example.', TYPE_A)
          assert.ok(additionals.some(({ type }) => type === TYPE_SRV))
        }
      }
      const [, metrics, health, ready] = server.ports
      assert.match(await text(metrics!, '/metrics'), /coredns_dns_requests_total\{[^}]*zone="example\."[^}]*\} \d/)
      assert.equal(await text(health!, '/health'), 'OK')
      assert.equal(await text(ready!, '/ready'), 'OK')
      server.writeCorefile(COREFILE.replace('loadbalance\n', ''))
      server.signal('SIGUSR1')
      await server.line(/Reloading complete/, 0, PATIENCE_MS)
      const after = await clients[0]!.ask(composeTestQuery('www.example.', TYPE_A), PATIENCE_MS)
      assert.deepEqual(decodeReply(after!).sections[0][0]!.rdata, 'c0000250')
      server.signal('SIGTERM')
      assert.equal(await server.ended(PATIENCE_MS), 0)
      assert.deepEqual(server.errors, [])
    } finally {
      for (const client of clients) client.close()
      await server.stop()
    }
  })
}

test('on Node 24 -udp mmsg is refused, and says why', { skip }, async () => {
  const server = await spawnServer('.:PORT {\n  whoami\n}\n', { env: ENVIRONMENT, args: ['-udp', 'mmsg'] })
  try {
    assert.equal(await server.ended(PATIENCE_MS), 1)
    assert.match([...server.lines, ...server.errors].join('\n'), /-udp mmsg: Node 24\S* has no node:ffi/)
  } finally {
    await server.stop()
  }
})

async function text(port: number, path: string): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(PATIENCE_MS) })
  return response.text()
}
