import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import test from 'node:test'
import { plugin } from '../../../src/plugins/forward/index.ts'
import { makeCertificates } from '../../support/certificates.ts'
import { addressesOf, fakeReply } from '../../support/fake-upstream.ts'
import { aChainQuery, closeAll, openHandler } from '../../support/handler.ts'

const certificates = makeCertificates()
const skip = certificates === undefined && 'no openssl command'

interface Asked {
  readonly method: string
  readonly url: string
  readonly headers: Record<string, unknown>
  readonly message: Buffer
}

/** `answer` gives the reply's body, or ends the exchange in its own way. */
async function openHttps(version: 1 | 2, answer: (asked: Asked, response: ServerResponse) => Uint8Array | undefined) {
  const asked: Asked[] = []
  let connections = 0
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const url = new URL(request.url!, 'https://x')
      const dns = url.searchParams.get('dns')
      const message = dns === null ? Buffer.concat(chunks) : Buffer.from(dns, 'base64url')
      const each = { method: request.method!, url: url.pathname, headers: request.headers, message }
      asked.push(each)
      const body = answer(each, response)
      if (body === undefined) return
      response.setHeader('content-type', 'application/dns-message')
      response.end(body)
    })
  }
  const { cert, key } = certificates!.server
  const server =
    version === 2
      ? http2.createSecureServer({ cert, key, allowHTTP1: false }, onRequest as never)
      : https.createServer({ cert, key }, onRequest)
  server.on('secureConnection', () => connections++)
  server.on('sessionError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    asked,
    address: `https://127.0.0.1:${port}`,
    connections: () => connections,
    close: () => {
      if ('closeAllConnections' in server) server.closeAllConnections()
      server.close()
    },
  }
}

const tls = (extra = '') => `{\ntls ${certificates?.folder}/ca.pem\nhealth_check 10s\n${extra}\n}`
const flipped = (message: Buffer, at: number): Buffer => {
  const copy = Buffer.from(message)
  copy[at]! ^= 1
  return copy
}
const ok = ({ message }: Asked): Buffer => fakeReply(message, { addresses: ['192.0.2.1'] })

for (const version of [2, 1] as const) {
  test(`HTTP/${version}: queries go over one connection with ID 0`, { skip }, async (t) => {
    const server = await openHttps(version, ok)
    t.after(() => closeAll(server))
    for (const method of ['POST', 'GET']) {
      const forward = await openHandler(plugin, `forward . ${server.address} ${tls(`doh_method ${method}`)}`)
      t.after(() => closeAll(forward))
      server.asked.length = 0
      const before: number = server.connections()
      for (let i = 0; i < 3; i++) {
        const reply = await forward.ask(aChainQuery(`n${i}.example.org.`))
        assert.deepEqual(addressesOf(reply.wire), ['192.0.2.1'], `${reply.cause}`)
        assert.equal(Buffer.from(reply.wire!).readUInt16BE(0), 4711)
      }
      assert.ok(server.connections() - before <= (version === 2 ? 1 : 2))
      for (const { method: used, url, headers, message } of server.asked) {
        assert.equal(used, method)
        assert.equal(url, '/dns-query')
        assert.equal(headers['accept'], 'application/dns-message')
        assert.equal(message.readUInt16BE(0), 0)
      }
    }
  })
}

test('many at once, answered in any order', { skip }, async (t) => {
  const waiting: (() => void)[] = []
  const server = await openHttps(2, (asked, response) => {
    waiting.push(() => response.end(ok(asked)))
    if (waiting.length === 30) for (const end of waiting.reverse()) end()
    return undefined
  })
  const forward = await openHandler(plugin, `forward . ${server.address} ${tls()}`)
  t.after(() => closeAll(forward, server))
  const replies = await Promise.all(
    Array.from({ length: 30 }, (_, i) => forward.ask(aChainQuery(`n${i}.example.org.`))),
  )
  for (const reply of replies) assert.deepEqual(addressesOf(reply.wire), ['192.0.2.1'])
  assert.equal(server.connections(), 1)
})

test('what goes wrong ends in SERVFAIL with the cause', { skip }, async (t) => {
  const cases: readonly { title: string; answer: Parameters<typeof openHttps>[1]; want: RegExp }[] = [
    {
      title: 'HTTP status',
      answer(_asked, response) {
        response.writeHead(503).end()
        return undefined
      },
      want: /unexpected HTTP status 503/,
    },
    {
      title: 'another question',
      answer: ({ message }) => fakeReply(flipped(message, 13)),
      want: /does not fit the query/,
    },
    {
      title: 'another ID',
      answer: ({ message }) => fakeReply(flipped(message, 1)),
      want: /does not fit the query/,
    },
    { title: 'no message', answer: () => Buffer.from('hello'), want: /does not fit the query/ },
    { title: 'too large', answer: () => Buffer.alloc(70_000), want: /larger than 65535 octets/ },
    {
      title: 'reset',
      answer(_asked, response) {
        response.destroy()
        return undefined
      },
      want: /./,
    },
  ]
  for (const { title, answer, want } of cases) {
    const server = await openHttps(2, answer)
    const forward = await openHandler(plugin, `forward . ${server.address} ${tls('max_fails 0')}`)
    t.after(() => closeAll(forward, server))
    const reply = await forward.ask(aChainQuery('www.example.org.'))
    assert.equal(reply.rcode, 2, title)
    assert.match(reply.cause!, want, title)
  }
  const silent = await openHttps(2, () => undefined)
  const forward = await openHandler(plugin, `forward . ${silent.address} ${tls('max_fails 0')}`)
  t.after(() => closeAll(forward, silent))
  const query = aChainQuery('www.example.org.')
  query.deadlineMs = performance.now() + 100
  assert.match((await forward.ask(query)).cause!, /deadline exceeded/)
})

test('a certificate for somebody else, and no listener', { skip }, async (t) => {
  const server = await openHttps(2, ok)
  const other = await openHandler(plugin, `forward . ${server.address} ${tls('tls_servername other.example.org')}`)
  const right = await openHandler(plugin, `forward . ${server.address} ${tls('tls_servername dns.example.org')}`)
  t.after(() => closeAll(other, right))
  assert.match((await other.ask(aChainQuery('www.example.org.'))).cause!, /other\.example\.org/)
  assert.deepEqual(addressesOf((await right.ask(aChainQuery('www.example.org.'))).wire), ['192.0.2.1'])
  assert.match(String(server.asked[0]!.headers[':authority']), /^dns\.example\.org:\d+$/)
  server.close()
  const closed = await openHandler(plugin, `forward . ${server.address} ${tls()}`)
  t.after(() => closeAll(closed))
  assert.match(
    (await closed.ask(aChainQuery('www.example.org.'))).cause!,
    /^dial tcp 127\.0\.0\.1:\d+: connect: connection refused$/,
  )
})
