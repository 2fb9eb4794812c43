import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { networkInterfaces } from 'node:os'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { type Libc, loadLibc, MmsgUnavailable } from '../../../src/mmsg/libc.ts'
import { type MmsgOptions, MmsgSocket, openMmsgSocket } from '../../../src/worker/mmsg/mmsg-socket.ts'
import { openSocket } from '../../../src/worker/mmsg/open-socket.ts'
import { selfTest } from '../../../src/worker/mmsg/self-test.ts'
import { type QueryHandler, REPLY_LATER, RETURN_PATH_SIZE } from '../../../src/worker/query-handler.ts'

type HandleArguments = Parameters<QueryHandler['handle']>

const libc = await loadLibc().catch((error: Error) => {
  assert(error instanceof MmsgUnavailable)
  return error.message
})
const unavailable = typeof libc === 'string' ? libc : false
const hasIPv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === '::1'))

const opened: (MmsgSocket | Socket)[] = []
after(async () => {
  for (const socket of opened) {
    try {
      await socket.close()
    } catch {} // closed by its test
  }
})

function handler(handle: (...args: HandleArguments) => number, flush = () => {}): QueryHandler {
  return { handle, flush }
}

/** Sends each datagram back. */
const echo = (...[bytes, start, length, , , out, outStart]: HandleArguments): number => {
  out.set(bytes.subarray(start, start + length), outStart)
  return length
}

async function open(handle: QueryHandler, options: Partial<MmsgOptions> = {}): Promise<MmsgSocket> {
  const socket = await openMmsgSocket({
    address: '127.0.0.1',
    port: 0,
    reusePort: true,
    listenerId: 3,
    handler: handle,
    ...options,
  })
  opened.push(socket)
  return socket
}

/** The real libc with some functions replaced, under a socket of its own. */
function openOver(changes: Partial<Libc>, handle: QueryHandler): MmsgSocket {
  const real = libc as Libc
  const options = { address: '127.0.0.1', port: 0, reusePort: true, listenerId: 0, handler: handle }
  const socket = new MmsgSocket({ ...real, ...changes }, openSocket(real, options), options)
  opened.push(socket)
  return socket
}

/** Connected: takes datagrams from that address and port only. */
async function connect(port: number, address = '127.0.0.1'): Promise<Socket> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  opened.push(socket)
  socket.connect(port, address)
  await once(socket, 'connect')
  return socket
}

/** Resolves with the next `count` datagrams. */
function receive(socket: Socket, count: number): Promise<Buffer[]> {
  return new Promise((resolve, reject) => {
    const got: Buffer[] = []
    const timer = setTimeout(() => reject(new Error(`${got.length} of ${count} datagrams came`)), 3000)
    const onMessage = (datagram: Buffer) => {
      if (got.push(datagram) < count) return
      clearTimeout(timer)
      socket.off('message', onMessage)
      resolve(got)
    }
    socket.on('message', onMessage)
  })
}

test('where there is node:ffi, the self-test passes and leaves nothing behind', { skip: unavailable }, async () => {
  assert.equal(await selfTest(), undefined)
  assert.equal(await selfTest(), undefined)
})

test('without node:ffi, the self-test says so', () => {
  const program = `import('./src/worker/mmsg/self-test.ts').then(async ({ selfTest }) => console.log(await selfTest()))`
  const { stdout, stderr } = spawnSync(process.execPath, ['--no-experimental-ffi', '--eval', program], {
    encoding: 'utf8',
    cwd: fileURLToPath(new URL('../../..', import.meta.url)),
  })
  assert.match(stdout + stderr, /has no node:ffi/)
})

test('in a thread, the self-test refuses: a thread that ended with the socket open would end the process', async () => {
  const program = `
    import('${new URL('../../../src/worker/mmsg/self-test.ts', import.meta.url)}').then(async ({ selfTest }) =>
      require('node:worker_threads').parentPort.postMessage(await selfTest()))`
  const [reason] = await once(new Worker(program, { eval: true }), 'message')
  assert.match(reason, /main thread|no node:ffi|needs Linux/)
})

const addresses = ['127.0.0.1', '127.0.0.2', '127.1.2.3', ...(hasIPv6 ? ['::1'] : [])]
for (const bind of ['', '0.0.0.0', ...(hasIPv6 ? ['::'] : [])]) {
  for (const way of ['now', 'later'] as const) {
    test(`a socket on "${bind}" answers ${way} from the address that was asked`, { skip: unavailable }, async () => {
      const seen: string[] = []
      const socket = await open(
        handler((...args) => {
          const [, , , client, port, out, outStart] = args
          assert.equal(client.listenerId, 3)
          assert.equal(client.tcp, false)
          seen.push(
            `${client.family} ${client.address.subarray(0, client.family === 4 ? 4 : 16).join('.')} ${client.port}`,
          )
          const length = echo(...args)
          if (way === 'now') return length
          const path = new Uint8Array(RETURN_PATH_SIZE + 8)
          port.saveReturnPath(path, 8)
          const reply = out.slice(outStart - 4, outStart + length)
          setImmediate(() => port.sendLater(path, 8, reply, 4, length))
          return REPLY_LATER
        }),
        { address: bind },
      )
      const asked = addresses.filter((address) => !address.includes(':') || bind !== '0.0.0.0')
      for (const address of asked) {
        const client = await connect(socket.port, address)
        client.send(`to ${address}`)
        assert.deepEqual((await receive(client, 1)).map(String), [`to ${address}`])
        const local = client.address()
        const octets = local.address === '::1' ? '0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1' : local.address
        assert.equal(seen.pop(), `${local.address.includes(':') ? 6 : 4} ${octets} ${local.port}`)
      }
    })
  }
}

test('a link-local address is bound and answered with its zone', { skip: unavailable }, async (t) => {
  const found = Object.entries(networkInterfaces()).flatMap(([name, list]) =>
    (list ?? []).filter(({ address }) => address.startsWith('fe80:')).map(({ address }) => ({ name, address })),
  )[0]
  if (found === undefined) return t.skip('this machine has no link-local address')
  for (const bind of [`${found.address}%${found.name}`, '']) {
    const socket = await open(handler(echo), { address: bind })
    const client = await connect(socket.port, `${found.address}%${found.name}`)
    client.send('hello')
    assert.deepEqual((await receive(client, 1)).map(String), ['hello'])
  }
})

test('errors of opening name call, code and address', { skip: unavailable }, async () => {
  const first = await open(handler(echo), { reusePort: false })
  const cases = [
    { address: '127.0.0.1', port: first.port, code: 'EADDRINUSE', message: `bind EADDRINUSE 127.0.0.1:${first.port}` },
    { address: '192.0.2.1', port: 5300, code: 'EADDRNOTAVAIL', message: 'bind EADDRNOTAVAIL 192.0.2.1:5300' },
    { address: 'fe80::1%nowhere', port: 53, code: 'EINVAL', message: 'bind EINVAL [fe80::1%nowhere]:53' },
  ]
  for (const { address, port, code, message } of cases) {
    await assert.rejects(openMmsgSocket({ address, port, reusePort: true, listenerId: 0, handler: handler(echo) }), {
      code,
      message,
    })
  }
})

test('replies of every size that UDP carries, now and later', { skip: unavailable }, async () => {
  const sizes = [1, 511, 512, 513, 1232, 4096, 16_000, 65_507]
  let next = 0
  const socket = await open(
    handler((_bytes, _start, _length, _client, port, out, outStart) => {
      const size = sizes[next >> 1]!
      for (let i = 0; i < size; i++) out[outStart + i] = size + i
      if (next++ % 2 === 0) return size
      const path = new Uint8Array(RETURN_PATH_SIZE)
      port.saveReturnPath(path, 0)
      port.sendLater(path, 0, out, outStart, size)
      return REPLY_LATER
    }),
  )
  const client = await connect(socket.port)
  for (const size of sizes) {
    for (const way of ['now', 'later']) {
      client.send('?')
      const [reply] = await receive(client, 1)
      assert.equal(reply!.length, size, way)
      assert(reply!.every((octet, i) => octet === ((size + i) & 0xff)))
    }
  }
})

test('queries too long, empty or unanswered do not disturb the rest of their batch', {
  skip: unavailable,
}, async () => {
  const socket = await open(handler((...args) => (args[0][args[1]] === 0x2d ? 0 : echo(...args))))
  const client = await connect(socket.port)
  const words = ['one', '-', '', 'two', 'x'.repeat(5000), '-', 'y'.repeat(4096), 'three']
  for (const word of words) client.send(word)
  const got = await receive(client, 4)
  assert.deepEqual(got.map(String), ['one', 'two', 'y'.repeat(4096), 'three'])
  assert.equal(socket.figures().truncated, 1)
  assert.equal(socket.figures().received, words.length)
})

test('a handler that throws costs one reply', { skip: unavailable }, async () => {
  const errors: unknown[] = []
  const socket = await open(
    handler((...args) => {
      if (args[0][args[1]] === 0x21) throw new Error('no')
      return echo(...args)
    }),
    { onError: (error) => errors.push(error) },
  )
  const client = await connect(socket.port)
  for (const word of ['a', '!', 'b']) client.send(word)
  assert.deepEqual((await receive(client, 2)).map(String), ['a', 'b'])
  assert.deepEqual(errors.map(String), ['Error: no'])
})

test('promises and ticks that a handler starts run though nothing else happens', { skip: unavailable }, async () => {
  const later = (start: (run: () => void) => void) =>
    handler((...args) => {
      const [bytes, at, length, , port] = args
      const path = new Uint8Array(RETURN_PATH_SIZE)
      const reply = bytes.slice(at, at + length)
      port.saveReturnPath(path, 0)
      start(() => {
        port.sendLater(path, 0, reply, 0, length)
        port.flushLater()
      })
      return REPLY_LATER
    })
  const client = `
    const { createSocket } = require('node:dgram')
    const socket = createSocket('udp4')
    socket.connect(PORT, '127.0.0.1', () => socket.send('?'))
    socket.on('message', () => process.exit(0))
    setTimeout(() => process.exit(1), 2000)`
  const { spawn } = await import('node:child_process')
  for (const start of [
    (run: () => void) => process.nextTick(run),
    (run: () => void) => void Promise.resolve().then(run),
  ]) {
    const socket = await open(later(start))
    const child = spawn(process.execPath, ['--eval', client.replace('PORT', `${socket.port}`)])
    const [code] = await once(child, 'exit')
    assert.equal(code, 0)
  }
})

test('a turn reads no more than its budget, then the event loop goes on', { skip: unavailable }, async () => {
  let handled = 0
  const perTurn: number[] = []
  const socket = await open(
    handler(() => {
      if (handled++ === 0) setImmediate(turn)
      return 0
    }),
    { packetsPerTurn: 128 },
  )
  let before = 0
  const turn = () => {
    perTurn.push(handled - before)
    before = handled
    if (handled < 1000) setImmediate(turn)
  }
  const client = await connect(socket.port)
  await new Promise<void>((resolve) => {
    // All of them wait in the kernel before the first is read: sends are handed to the kernel at once.
    for (let i = 0; i < 1000; i++) client.send('x')
    setImmediate(resolve)
  })
  const deadline = Date.now() + 3000
  while (handled < 1000 && Date.now() < deadline) await new Promise((resolve) => setImmediate(resolve))
  assert.equal(handled, 1000)
  assert(Math.max(...perTurn) <= 128, `${perTurn}`)
})

test('datagrams that found no room are counted', { skip: unavailable }, async () => {
  const socket = await open(
    handler(() => 0),
    { receiveBufferSize: 8192 },
  )
  const client = await connect(socket.port)
  assert.equal(socket.figures().kernelDrops, 0)
  // dgram hands datagrams to the kernel within send(), while the socket is not read.
  for (let i = 0; i < 500; i++) client.send(Buffer.alloc(1000))
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert(socket.figures().kernelDrops > 100)
  assert.equal(socket.figures().kernelDrops + socket.figures().received, 500)
})

test('a held socket reads nothing; another engine answers what waited', { skip: unavailable }, async () => {
  const served: string[] = []
  const as = (name: string) =>
    handler((...args) => {
      served.push(`${name} ${args[3].listenerId}`)
      return echo(...args)
    })
  const socket = await open(as('old'))
  const client = await connect(socket.port)
  client.send('a')
  await receive(client, 1)
  socket.hold()
  for (const word of ['b', 'c']) client.send(word)
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.equal(socket.figures().received, 1)
  const replies = receive(client, 2)
  socket.serve(as('new'), 9)
  socket.release()
  assert.deepEqual((await replies).map(String), ['b', 'c'])
  assert.deepEqual(served, ['old 3', 'new 9', 'new 9'])
})

test('a stopped socket sends replies, and takes no queries', { skip: unavailable }, async () => {
  for (const address of ['127.0.0.1', '']) {
    const path = new Uint8Array(RETURN_PATH_SIZE)
    const socket = await open(
      handler((...args) => {
        args[4].saveReturnPath(path, 0)
        return REPLY_LATER
      }),
      { address },
    )
    const client = await connect(socket.port, address === '' ? '127.0.0.3' : address)
    client.send('a')
    await socket.stop()
    await socket.stop()
    assert.equal(socket.figures().received, 1)
    const refused = once(client, 'error')
    client.send('b')
    assert.equal((await refused)[0].code, 'ECONNREFUSED')
    socket.sendLater(path, 0, Buffer.from('reply'), 0, 5)
    assert.deepEqual((await receive(client, 1)).map(String), ['reply'])
    assert.equal(socket.figures().received, 1)
  }
})

test('the handler hears of the end of each batch once, after its last query', { skip: unavailable }, async () => {
  const heard: string[] = []
  const socket = await open(
    handler(
      (...args) => {
        heard.push('query')
        return echo(...args)
      },
      () => heard.push('end'),
    ),
  )
  const client = await connect(socket.port)
  for (let i = 0; i < 100; i++) client.send('x')
  await receive(client, 100)
  assert.equal(heard.join(' '), `${'query '.repeat(64)}end ${'query '.repeat(36)}end`)
})

test('the kernel takes part of a batch: the rest follows', { skip: unavailable }, async () => {
  const sizes: number[] = []
  const socket = openOver(
    {
      sendmmsg: (fd, headers, count, flags) => {
        sizes.push(count)
        return (libc as Libc).sendmmsg(fd, headers, Math.min(count, 7), flags)
      },
    },
    handler(echo),
  )
  const client = await connect(socket.port)
  const words = Array.from({ length: 40 }, (_, i) => `${i}`)
  for (const word of words) client.send(word)
  assert.deepEqual((await receive(client, 40)).map(String), words)
  assert(sizes.some((size) => size > 7))
  assert.equal(socket.figures().sent, 40)
})

/** Makes each of the first calls fail with an errno. */
function failing(errnos: number[], call: (fd: number, headers: bigint, count: number, flags: number) => number) {
  let errno: number | undefined
  return {
    errno: () => errno ?? (libc as Libc).errno(),
    call: (fd: number, headers: bigint, count: number, flags: number): number => {
      errno = errnos.shift()
      return errno === undefined ? call(fd, headers, count, flags) : -1
    },
  }
}

const sendCases = [
  { title: 'interrupted', errnos: [4, 4], lost: 0, refused: 0, receiveErrors: 0 },
  { title: 'an ICMP error of an earlier reply', errnos: [111], lost: 0, refused: 0, receiveErrors: 1 },
  { title: 'no route to the first client', errnos: [101, 101], lost: 1, refused: 1, receiveErrors: 1 },
  { title: 'filtered', errnos: [1], lost: 1, refused: 1, receiveErrors: 0 },
  { title: 'too long', errnos: [90], lost: 1, refused: 1, receiveErrors: 0 },
  { title: 'the device queue is full', errnos: [105, 105], lost: 2, refused: 2, receiveErrors: 0 },
  {
    title: 'the send buffer is full: waits until it is not',
    errnos: [11],
    lost: 0,
    refused: 0,
    receiveErrors: 0,
    stalls: 1,
  },
]
for (const { title, errnos, lost, stalls = 0, ...figures } of sendCases) {
  for (const way of ['now', 'later'] as const) {
    test(`sending ${way}, ${title}`, { skip: unavailable }, async () => {
      const { errno, call } = failing([...errnos], (...args) => (libc as Libc).sendmmsg(...args))
      const socket = openOver(
        { errno, sendmmsg: call },
        handler((...args) => {
          const [bytes, start, length, , port] = args
          if (way === 'now') return echo(...args)
          const path = new Uint8Array(RETURN_PATH_SIZE)
          port.saveReturnPath(path, 0)
          port.sendLater(path, 0, bytes, start, length)
          return REPLY_LATER
        }),
      )
      const client = await connect(socket.port)
      for (const word of ['a', 'b', 'c', 'd', 'e']) client.send(word)
      assert.deepEqual((await receive(client, 5 - lost)).map(String), ['a', 'b', 'c', 'd', 'e'].slice(lost))
      client.send('f')
      assert.deepEqual((await receive(client, 1)).map(String), ['f'])
      assert.deepEqual({ ...socket.figures(), ...figures, stalls }, socket.figures())
      assert.equal(socket.figures().sent, 6 - lost)
    })
  }
}

test('receiving survives interruptions and errors that the kernel reports on the socket', {
  skip: unavailable,
}, async () => {
  let errno: number | undefined
  const errnos = [4, 111, 113, 12]
  const socket = openOver(
    {
      errno: () => errno ?? (libc as Libc).errno(),
      recvmmsg: (...args) => {
        errno = errnos.shift()
        return errno === undefined ? (libc as Libc).recvmmsg(...args) : -1
      },
    },
    handler(echo),
  )
  const client = await connect(socket.port)
  client.send('a')
  assert.deepEqual((await receive(client, 1)).map(String), ['a'])
  assert.equal(socket.figures().receiveErrors, 3)
})

test('while the send buffer is full no query is read, and replies that do not fit are counted', {
  skip: unavailable,
}, async () => {
  let full = true
  let errno = 0
  let handled = 0
  const path = new Uint8Array(RETURN_PATH_SIZE)
  const socket = openOver(
    {
      errno: () => errno,
      sendmmsg: (...args) => {
        errno = full ? 11 : 0
        return full ? -1 : (libc as Libc).sendmmsg(...args)
      },
      // The kernel's buffer isn't really full, so libuv would say "writable" at once, again and again.
      uv_poll_start: (handle, events, callback) =>
        full && events === 2
          ? (libc as Libc).uv_poll_stop(handle)
          : (libc as Libc).uv_poll_start(handle, events, callback),
    },
    handler((...args) => {
      handled++
      args[4].saveReturnPath(path, 0)
      return echo(...args)
    }),
  )
  const client = await connect(socket.port)
  client.send('a')
  while (handled === 0) await new Promise((resolve) => setImmediate(resolve))
  for (let i = 0; i < 300; i++) client.send('b')
  for (let i = 0; i < 300; i++) socket.sendLater(path, 0, Buffer.from('c'), 0, 1)
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.equal(handled, 1)
  assert.equal(socket.figures().congested, 300 - 256)
  full = false
  socket.flushLater()
  assert.equal(socket.figures().sent, 0, 'it waits for libuv to say that there is room')
})

test('close: at once, twice, from the handler, with replies waiting', { skip: unavailable }, async () => {
  const idle = await open(handler(echo))
  await Promise.all([idle.close(), idle.close()])
  const path = new Uint8Array(RETURN_PATH_SIZE)
  let closing: Promise<void> | undefined
  const socket = await open(
    handler((...args) => {
      args[4].saveReturnPath(path, 0)
      args[4].sendLater(path, 0, Buffer.from('waiting'), 0, 7)
      closing = socket.close()
      return echo(...args)
    }),
  )
  const client = await connect(socket.port)
  for (let i = 0; i < 5; i++) client.send('now')
  assert.deepEqual((await receive(client, 1)).map(String), ['waiting'])
  await closing
  socket.sendLater(path, 0, Buffer.from('too late'), 0, 8)
  socket.flushLater()
  await socket.stop()
  assert.equal(socket.figures().kernelDrops, 0)
  const again = await open(handler(echo), { port: socket.port, reusePort: false })
  assert.equal(again.port, socket.port)
})

for (const bind of ['127.0.0.1', '']) {
  test(`stop: no query is lost when one socket of "${bind}" leaves and another goes on`, {
    skip: unavailable,
  }, async () => {
    const counts = [0, 0]
    const count = (i: number) =>
      handler((...args) => {
        counts[i]!++
        return echo(...args)
      })
    const first = await open(count(0), { address: bind })
    await open(count(1), { address: bind, port: first.port })
    const clients = await Promise.all(Array.from({ length: 40 }, () => connect(first.port)))
    const replies = clients.map((client) => receive(client, 20))
    for (let round = 0; round < 20; round++) {
      for (const client of clients) client.send(`${round}`)
      if (round === 10) {
        await first.stop()
        void first.close()
      }
      if (round % 3 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    const got = await Promise.all(replies)
    assert(got.every((list) => list.length === 20))
    assert(counts[0]! > 0 && counts[1]! > counts[0]!, `${counts}`)
    assert.equal(counts[0]! + counts[1]!, 800)
  })
}

test('under load with the collector forced: every reply right, memory flat', { skip: unavailable }, () => {
  const soak = fileURLToPath(new URL('soak.ts', import.meta.url))
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--expose-gc', soak, '1.5'], { encoding: 'utf8' })
  assert.equal(status, 0, stdout + stderr)
})
