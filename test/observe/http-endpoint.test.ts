import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import { connect, createServer } from 'node:net'
import test from 'node:test'
import { CONNECTIONS_MAX, type HttpHandler, openEndpoint } from '../../src/observe/http-endpoint.ts'
import { printListenAddress, splitListenAddress } from '../../src/observe/listen-address.ts'

const LOCAL = { host: '127.0.0.1', port: 0 }

async function ask(
  port: number,
  path: string,
  about: { readonly method?: string; readonly body?: string } = {},
): Promise<{ status: number; body: string; headers: Record<string, unknown> }> {
  const outgoing = request({ host: '127.0.0.1', port, path, method: about.method ?? 'GET', agent: false })
  outgoing.end(about.body)
  const [response] = await once(outgoing, 'response')
  let body = ''
  for await (const chunk of response) body += chunk
  return { status: response.statusCode, body, headers: response.headers }
}

test("addresses are split as Go's net.SplitHostPort does", () => {
  const good: readonly [string, string, number][] = [
    [':8080', '', 8080],
    ['localhost:9153', 'localhost', 9153],
    ['192.0.2.1:1', '192.0.2.1', 1],
    ['[2001:db8::1]:53', '2001:db8::1', 53],
    ['[fe80::1%eth0]:53', 'fe80::1%eth0', 53],
    ['localhost:', 'localhost', 0],
  ]
  for (const [text, host, port] of good) assert.deepEqual(splitListenAddress(text), { host, port }, text)
  assert.equal(printListenAddress({ host: '2001:db8::1', port: 1 }), '[2001:db8::1]:1')
  const bad: readonly [string, RegExp][] = [
    ['8080', /missing port in address/],
    ['localhost', /missing port in address/],
    ['::1:53', /too many colons in address/],
    ['[::1]', /missing port in address/],
    ['[::1', /missing '\]' in address/],
    ['[::1]]:5', /missing port in address/],
    ['a[b:5', /unexpected '\[' in address/],
    ['a:x', /invalid port "x"/],
    ['a:65536', /invalid port "65536"/],
    ['a:-1', /invalid port "-1"/],
  ]
  for (const [text, message] of bad) assert.throws(() => splitListenAddress(text), message, text)
})

test('GET and HEAD are answered, other methods and paths are not', async () => {
  const endpoint = await openEndpoint(LOCAL, '/health', () => ({ status: 200, body: 'OK' }))
  const { port } = endpoint.address
  const good = await ask(port, '/health')
  assert.deepEqual([good.status, good.body, good.headers['content-length']], [200, 'OK', '2'])
  assert.equal((await ask(port, '/health?x=1')).status, 200)
  const head = await ask(port, '/health', { method: 'HEAD' })
  assert.deepEqual([head.status, head.body, head.headers['content-length']], [200, '', '2'])
  const missing = await ask(port, '/other')
  assert.deepEqual([missing.status, missing.body], [404, '404 page not found\n'])
  const post = await ask(port, '/health', { method: 'POST', body: 'x'.repeat(100_000) })
  assert.deepEqual([post.status, post.headers['allow'], post.headers['connection']], [405, 'GET, HEAD', 'close'])
  await endpoint.close()
  await assert.rejects(ask(port, '/health'))
})

test('a handler that fails answers 500 and serves on', async () => {
  let fails = true
  const handler: HttpHandler = async () => {
    if (fails) throw new Error('not now')
    return { status: 200, body: 'OK' }
  }
  const endpoint = await openEndpoint(LOCAL, '/', handler)
  assert.deepEqual((({ status, body }) => [status, body])(await ask(endpoint.address.port, '/')), [500, 'not now\n'])
  fails = false
  assert.equal((await ask(endpoint.address.port, '/')).status, 200)
  await endpoint.close()
})

test('several plugins share an address, and the newest handler of a path answers until it goes', async () => {
  const port = await freePort()
  const address = { host: '127.0.0.1', port }
  const [first, ready] = await Promise.all([
    openEndpoint(address, '/health', () => ({ status: 200, body: 'first' })),
    openEndpoint(address, '/ready', () => ({ status: 503, body: 'no' })),
  ])
  assert.equal((await ask(port, '/health')).body, 'first')
  assert.equal((await ask(port, '/ready')).body, 'no')
  const second = await openEndpoint(address, '/health', () => ({ status: 200, body: 'second' }))
  assert.equal((await ask(port, '/health')).body, 'second')
  await first.close()
  await first.close()
  assert.equal((await ask(port, '/health')).body, 'second')
  await second.close()
  assert.equal((await ask(port, '/health')).status, 404)
  await ready.close()
  await assert.rejects(ask(port, '/ready'))
  const again = await openEndpoint(address, '/health', () => ({ status: 200, body: 'again' }))
  assert.equal((await ask(port, '/health')).body, 'again')
  await again.close()
})

test("a taken port is an error in Go's words", async () => {
  const blocker = createServer().listen(0, '127.0.0.1')
  await once(blocker, 'listening')
  const { port } = blocker.address() as { port: number }
  await assert.rejects(
    openEndpoint({ host: '127.0.0.1', port }, '/', () => ({ status: 200, body: '' })),
    { message: `listen tcp 127.0.0.1:${port}: bind: address already in use` },
  )
  blocker.close()
})

test('headers are bounded, and so are connections', async () => {
  const endpoint = await openEndpoint(LOCAL, '/', () => ({ status: 200, body: 'OK' }))
  const { port } = endpoint.address
  const flood = connect(port, '127.0.0.1')
  flood.on('error', () => undefined)
  flood.write(`GET / HTTP/1.1\r\nX: ${'y'.repeat(20_000)}`)
  await once(flood, 'close')
  const sockets = Array.from({ length: CONNECTIONS_MAX + 20 }, () => {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => undefined)
    return socket
  })
  let closed = 0
  for (const socket of sockets) socket.on('close', () => closed++)
  while (closed < 20) await new Promise((resolve) => setTimeout(resolve, 5))
  for (const socket of sockets) socket.destroy()
  while ((await ask(port, '/').catch(() => ({ status: 0 }))).status !== 200) await new Promise((r) => setTimeout(r, 5))
  await endpoint.close()
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}
