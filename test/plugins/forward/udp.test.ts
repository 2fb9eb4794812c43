import assert from 'node:assert/strict'
import dgram from 'node:dgram'
import test from 'node:test'
import { READ_MESSAGE, READ_OPTIONS } from '../../../src/chain/marks.ts'
import { plugin } from '../../../src/plugins/forward/index.ts'
import { openDatagrams } from '../../../src/plugins/forward/upstream/datagrams.ts'
import { type Asked, addressesOf, fakeReply, openFakeUpstream } from '../../support/fake-upstream.ts'
import { aChainQuery, closeAll, NEXT_CAUSE, openHandler } from '../../support/handler.ts'

// Known before the first query, so that it goes in a batch.
await openDatagrams()
/** Through node:ffi where Node has it, and without. */
const ways = [
  { over: 'batches', ffi: true },
  { over: 'node:dgram', ffi: false },
]

const ok = (asked: Asked): void => asked.send(fakeReply(asked.message, { addresses: ['192.0.2.1'] }))

test("a query goes to the upstream and its reply comes back, with the client's ID and spelling", async (t) => {
  const upstream = await openFakeUpstream(({ message, send }) => {
    const reply = fakeReply(message, { addresses: ['192.0.2.1'] })
    // An upstream may spell the question in another case.
    for (let i = 12; i < 24; i++) if (reply[i]! >= 0x61 && reply[i]! <= 0x7a) reply[i]! &= ~0x20
    send(reply)
  })
  const forward = await openHandler(plugin, `forward . ${upstream.address}`)
  t.after(() => closeAll(forward, upstream))
  const query = aChainQuery('WwW.example.org.')
  const reply = await forward.ask(query)
  assert.deepEqual(addressesOf(reply.wire), ['192.0.2.1'])
  assert.equal(Buffer.from(reply.wire!.subarray(0, 2)).readUInt16BE(), 4711)
  assert.equal(Buffer.from(reply.wire!.subarray(13, 16)).toString(), 'WwW')
  assert.equal(reply.recursionAvailable, true)
  assert.equal(reply.authoritative, false)
  assert.equal(query.marks.isForeign, true)
  assert.equal(query.marks.reads, 0)
  assert.notEqual(upstream.asked[0]!.message.readUInt16BE(0), undefined)
})

test('what goes upstream is built from what was parsed', async (t) => {
  const upstream = await openFakeUpstream(ok)
  const forward = await openHandler(plugin, `forward . ${upstream.address}`)
  t.after(() => closeAll(forward, upstream))
  const cookie = [0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8]
  const subnet = [0, 8, 0, 7, 0, 1, 24, 0, 192, 0, 2]
  const options = Uint8Array.from([...cookie, ...subnet])
  const query = aChainQuery('example.org.', 'A', {
    udpSize: 1400,
    dnssecOk: true,
    options,
    flags: 0x0100 | 0x0020 | 0x0010 | 0x0240,
  })
  await forward.ask(query)
  const sent = upstream.asked[0]!.message
  const question = sent.subarray(12, 12 + 13 + 4)
  assert.deepEqual(
    [...sent.subarray(2)],
    [
      1,
      0x30,
      0,
      1,
      0,
      0,
      0,
      0,
      0,
      1,
      ...question,
      0,
      0,
      41,
      1400 >>> 8,
      1400 & 255,
      0,
      0,
      0x80,
      0,
      0,
      subnet.length,
      ...subnet,
    ],
  )
  assert.equal(query.marks.reads & READ_OPTIONS, READ_OPTIONS)
  const plain = aChainQuery('example.org.', 'A', { udpSize: 1232, options: Uint8Array.from(cookie) })
  await forward.ask(plain)
  assert.equal(plain.marks.reads, 0, 'a cookie stays on its hop')
  const iterative = aChainQuery('example.org.', 'A', { flags: 0 })
  await forward.ask(iterative)
  assert.equal(iterative.marks.reads, READ_MESSAGE)
})

test('FROM, except and several stanzas choose', async (t) => {
  const first = await openFakeUpstream(({ message, send }) => send(fakeReply(message, { addresses: ['192.0.2.1'] })))
  const second = await openFakeUpstream(({ message, send }) => send(fakeReply(message, { addresses: ['192.0.2.2'] })))
  const forward = await openHandler(
    plugin,
    `forward example.org ${first.address} {\nexcept internal.example.org\n}\nforward net ${second.address} {\nexcept net\n}`,
  )
  t.after(() => closeAll(forward, first, second))
  const cases: readonly [string, string][] = [
    ['www.example.org.', '192.0.2.1'],
    ['EXAMPLE.org.', '192.0.2.1'],
    ['x.internal.example.org.', NEXT_CAUSE],
    ['notexample.org.', NEXT_CAUSE],
    ['net.', '192.0.2.2'],
    ['a.net.', NEXT_CAUSE],
  ]
  for (const [qname, want] of cases) {
    const reply = await forward.ask(aChainQuery(qname))
    assert.equal(reply.cause ?? addressesOf(reply.wire)[0], want, qname)
  }
})

for (const { over, ffi } of ways) {
  test(`${over}: forged and broken messages before the true one are ignored and counted`, async (t) => {
    const stranger = dgram.createSocket('udp4')
    const upstream = await openFakeUpstream(({ message, clientPort, send }) => {
      const good = fakeReply(message, { addresses: ['192.0.2.1'] })
      const forged = fakeReply(message, { addresses: ['203.0.113.66'] })
      const changed = (change: (bytes: Buffer) => void): Buffer => {
        const bytes = Buffer.from(forged)
        change(bytes)
        return bytes
      }
      const junk = [
        changed((bytes) => bytes.writeUInt16BE(bytes.readUInt16BE(0) ^ 1, 0)),
        changed((bytes) => (bytes[13]! ^= 1)),
        changed((bytes) => bytes.writeUInt16BE(28, 12 + 17)),
        changed((bytes) => bytes.writeUInt16BE(3, 12 + 17 + 2)),
        changed((bytes) => bytes.writeUInt16BE(0, 4)),
        changed((bytes) => bytes.writeUInt16BE(2, 4)),
        changed((bytes) => (bytes[2]! &= 0x7f)),
        changed((bytes) => (bytes[2]! |= 0x28)),
        changed((bytes) => bytes.writeUInt16BE(9, 6)),
        // The owner of the record points at itself, and behind itself.
        changed((bytes) => bytes.writeUInt16BE(0xc000 | 33, 33)),
        changed((bytes) => bytes.writeUInt16BE(0xc000 | 40, 33)),
        forged.subarray(0, 1),
        forged.subarray(0, 2),
        forged.subarray(0, 12),
        forged.subarray(0, 30),
        forged.subarray(0, forged.length - 1),
        Buffer.alloc(0),
        Buffer.alloc(300, 0xff),
      ]
      for (const bytes of junk) send(bytes)
      stranger.send(forged, clientPort, '127.0.0.1', () => send(good))
    })
    const forward = await openHandler(plugin, `forward . ${upstream.address}`, { context: { ffi } })
    t.after(() => closeAll(forward, upstream, stranger))
    for (let i = 0; i < 20; i++) {
      const reply = await forward.ask(aChainQuery('www.example.org.'))
      assert.deepEqual(addressesOf(reply.wire), ['192.0.2.1'])
    }
    const metrics = await forward.registry.metrics()
    const ignored = /shoal_forward_ignored_replies_total\{[^}]*\} (\d+)/.exec(metrics)
    assert.ok(Number(ignored?.[1]) >= 20 * 16, metrics)
    assert.match(metrics, /coredns_proxy_healthcheck_failures_total\{[^}]*\} 0/)
  })
}

for (const { over, ffi } of ways) {
  test(`${over}: a port that gets many wrong messages is left for another one`, async (t) => {
    const ports: number[] = []
    const upstream = await openFakeUpstream(({ message, clientPort, send }) => {
      ports.push(clientPort)
      const forged = fakeReply(message, { addresses: ['203.0.113.66'] })
      if (ports.length > 1) send(fakeReply(message, { addresses: ['192.0.2.1'] }))
      else {
        for (let i = 1; i <= 300; i++) {
          forged.writeUInt16BE((message.readUInt16BE(0) + i) & 0xffff, 0)
          send(forged)
        }
      }
    })
    const forward = await openHandler(plugin, `forward . ${upstream.address}`, { context: { ffi } })
    t.after(() => closeAll(forward, upstream))
    const reply = await forward.ask(aChainQuery('www.example.org.'))
    assert.deepEqual(addressesOf(reply.wire), ['192.0.2.1'])
    assert.equal(new Set(ports).size, 2)
  })
}

test('OPT is taken off; its options and the extended RCODE stay', async (t) => {
  const ede = [0, 15, 0, 3, 0, 22, 0x78]
  const upstream = await openFakeUpstream(({ message, send }) =>
    send(
      fakeReply(message, { addresses: ['192.0.2.1'], rcode: 23, options: Uint8Array.from([...ede, 0, 10, 0, 1, 9]) }),
    ),
  )
  const forward = await openHandler(plugin, `forward . ${upstream.address}`)
  t.after(() => closeAll(forward, upstream))
  const reply = await forward.ask(aChainQuery('www.example.org.', 'A', { udpSize: 1232 }))
  assert.equal(reply.rcode, 23)
  assert.deepEqual(
    reply.options.map(({ code, data }) => [code, ...data]),
    [[15, 0, 22, 0x78]],
  )
  assert.equal(Buffer.from(reply.wire!).readUInt16BE(10), 0)
  assert.deepEqual(addressesOf(reply.wire), ['192.0.2.1'])
  assert.equal(reply.wire!.length, 12 + 21 + 16)
})

test('truncated replies: passed on; empty when too large or cut; retried over TCP with prefer_udp', async (t) => {
  const many = Array.from({ length: 60 }, (_, i) => `192.0.2.${i}`)
  const upstream = await openFakeUpstream(({ message, over, send }) => {
    const label = message.subarray(13, 13 + message[12]!).toString()
    if (over === 'tcp') send(fakeReply(message, { addresses: many }))
    else if (label === 'large') send(fakeReply(message, { addresses: many }))
    else if (label === 'cut') send(fakeReply(message, { flags: 0x8380, addresses: ['192.0.2.1'] }).subarray(0, -2))
    else send(fakeReply(message, { flags: 0x8380, addresses: ['192.0.2.1'] }))
  })
  const plain = await openHandler(plugin, `forward . ${upstream.address}`)
  const prefer = await openHandler(plugin, `forward . ${upstream.address} {\nprefer_udp\n}`)
  t.after(() => closeAll(plain, prefer, upstream))
  const cases = [
    { forward: plain, qname: 'tc.example.org.', tcp: false, truncated: true, count: 1 },
    { forward: plain, qname: 'large.example.org.', tcp: false, truncated: true, count: 0 },
    { forward: plain, qname: 'cut.example.org.', tcp: false, truncated: true, count: 0 },
    { forward: plain, qname: 'tc.example.org.', tcp: true, truncated: false, count: 60 },
    { forward: prefer, qname: 'tc.example.org.', tcp: false, truncated: false, count: 60 },
    { forward: prefer, qname: 'tc.example.org.', tcp: true, truncated: false, count: 60 },
    { forward: prefer, qname: 'cut.example.org.', tcp: false, truncated: false, count: 60 },
  ]
  for (const { forward, qname, tcp, truncated, count } of cases) {
    const reply = await forward.ask(aChainQuery(qname, 'A', { tcp }))
    assert.equal(reply.truncated, truncated, qname)
    assert.equal(addressesOf(reply.wire).length, count, qname)
  }
})

for (const { over, ffi } of ways) {
  test(`${over}: an upstream that never answers: SERVFAIL after two attempts, with the cause and an Extended DNS Error`, async (t) => {
    const upstream = await openFakeUpstream(() => {})
    const forward = await openHandler(
      plugin,
      `forward . ${upstream.address} {\nread_timeout 50ms\nhealth_check 10s\n}`,
      { context: { ffi } },
    )
    t.after(() => closeAll(forward, upstream))
    const reply = await forward.ask(aChainQuery('www.example.org.'))
    assert.equal(reply.unwritten, true)
    assert.equal(reply.rcode, 2)
    assert.match(reply.cause!, /^read udp 127\.0\.0\.1:\d+->127\.0\.0\.1:\d+: i\/o timeout$/)
    assert.deepEqual(
      reply.options.map(({ code, data }) => [code, ...data]),
      [[15, 0, 22]],
    )
    const ids = upstream.asked
      .filter(({ message }) => message.length > 17 + 12)
      .map(({ message }) => message.readUInt16BE(0))
    assert.equal(ids.length, 2)
    assert.notEqual(ids[0], ids[1])
  })
}

for (const { over, ffi } of ways) {
  test(`${over}: a port nobody listens on: SERVFAIL at once`, async (t) => {
    const upstream = await openFakeUpstream(() => {})
    await upstream.close()
    const forward = await openHandler(plugin, `forward . ${upstream.address} {\nhealth_check 10s\n}`, {
      context: { ffi },
    })
    t.after(() => forward.close())
    const startedMs = performance.now()
    const reply = await forward.ask(aChainQuery('www.example.org.'))
    assert.match(
      reply.cause!,
      /^(read|write) udp 127\.0\.0\.1:\d+->127\.0\.0\.1:\d+: (read|write): connection refused$/,
    )
    assert.ok(performance.now() - startedMs < 500)
  })
}

test('the deadline of `cancel` ends the wait', async (t) => {
  const upstream = await openFakeUpstream(() => {})
  const forward = await openHandler(plugin, `forward . ${upstream.address}`)
  t.after(() => closeAll(forward, upstream))
  const query = aChainQuery('www.example.org.')
  query.deadlineMs = performance.now() + 60
  const startedMs = performance.now()
  const reply = await forward.ask(query)
  assert.equal(reply.rcode, 2)
  assert.ok(performance.now() - startedMs < 1000)
})

for (const { over, ffi } of ways) {
  test(`${over}: the cause of a time-out names the port that the query went out from`, async (t) => {
    const upstream = await openFakeUpstream(() => {})
    const forward = await openHandler(plugin, `forward . ${upstream.address}`, { context: { ffi } })
    t.after(() => closeAll(forward, upstream))
    // Sockets get new ports between the rounds.
    for (let round = 0; round < 3; round++) {
      const replies = Array.from({ length: 40 }, async (_, i) => {
        const query = aChainQuery(`n${10 + i}.example.org.`)
        query.deadlineMs = performance.now() + 60
        return (await forward.ask(query)).cause
      })
      const causes = await Promise.all(replies)
      const ports = new Map(
        upstream.asked.map(({ message, clientPort }) => [message.toString('latin1', 13, 16), clientPort]),
      )
      for (const [i, cause] of causes.entries()) {
        assert.equal(cause, `read udp 127.0.0.1:${ports.get(`n${10 + i}`)}->${upstream.address}: i/o timeout`)
      }
      upstream.asked.length = 0
    }
  })

  test(`${over}: IDs, source ports: drawn anew for every query`, async (t) => {
    const upstream = await openFakeUpstream(ok)
    const forward = await openHandler(plugin, `forward . ${upstream.address}`, { context: { ffi } })
    t.after(() => closeAll(forward, upstream))
    await Promise.all(Array.from({ length: 200 }, (_, i) => forward.ask(aChainQuery(`n${i}.example.org.`))))
    const ids = new Set(upstream.asked.map(({ message }) => message.readUInt16BE(0)))
    assert.ok(ids.size > 190)
    assert.ok(new Set(upstream.asked.map(({ clientPort }) => clientPort)).size >= 200 / 16)
    const once = await openHandler(plugin, `forward . ${upstream.address} {\nexpire 0s\n}`, { context: { ffi } })
    t.after(() => once.close())
    upstream.asked.length = 0
    for (let i = 0; i < 10; i++) await once.ask(aChainQuery(`n${i}.example.org.`))
    assert.equal(new Set(upstream.asked.map(({ clientPort }) => clientPort)).size, 10)
  })
}

for (const { over, ffi } of ways) {
  test(`${over}: many at once, answered in any order among forged ones: each gets its own answer`, async (t) => {
    const waiting: Asked[] = []
    let isAnswering = false
    const addressFor = ({ message }: Asked): string =>
      `192.0.2.${Number(message.subarray(14, 13 + message[12]!).toString()) % 256}`
    const upstream = await openFakeUpstream((asked) => {
      waiting.push(asked)
      if (isAnswering) return
      isAnswering = true
      setTimeout(() => {
        isAnswering = false
        for (const each of waiting.splice(0).reverse()) {
          const forged = fakeReply(each.message, { addresses: ['203.0.113.66'] })
          forged.writeUInt16BE(each.message.readUInt16BE(0) ^ 0x5555, 0)
          each.send(forged)
          each.send(fakeReply(each.message, { addresses: [addressFor(each)] }))
        }
      }, 5)
    })
    const forward = await openHandler(plugin, `forward . ${upstream.address}`, { context: { ffi } })
    t.after(() => closeAll(forward, upstream))
    // More at once would overflow the upstream's receive buffer now and then, and take a time-out.
    for (let round = 0; round < 8; round++) {
      const replies = await Promise.all(
        Array.from({ length: 150 }, (_, i) => forward.ask(aChainQuery(`n${i}.example.org.`))),
      )
      for (const [i, reply] of replies.entries()) assert.deepEqual(addressesOf(reply.wire), [`192.0.2.${i % 256}`])
    }
    // Whether a socket is opened or goes on from another one, its port is drawn anew for every 16 queries.
    const queriesByPort = Map.groupBy(upstream.asked, ({ clientPort }) => clientPort)
    assert.ok(queriesByPort.size >= 1200 / 16 / 2, `${queriesByPort.size} ports`)
  })

  test(`${over}: a reply of any size that the client takes`, async (t) => {
    const many = Array.from({ length: 600 }, (_, i) => `192.0.${i >>> 8}.${i & 255}`)
    const upstream = await openFakeUpstream(({ message, send }) => send(fakeReply(message, { addresses: many })))
    const forward = await openHandler(plugin, `forward . ${upstream.address}`, { context: { ffi } })
    t.after(() => closeAll(forward, upstream))
    const ask = (i: number) => forward.ask(aChainQuery(`n${i}.example.org.`, 'A', { udpSize: 65000 }))
    const replies = await Promise.all(Array.from({ length: 8 }, (_, i) => ask(i)))
    for (const reply of replies) assert.deepEqual(addressesOf(reply.wire), many)
  })

  test(`${over}: an upstream with an IPv6 address`, async (t) => {
    const upstream = await openFakeUpstream(ok, { host: '::1' }).catch(() => undefined)
    if (upstream === undefined) return t.skip('no IPv6 here')
    const forward = await openHandler(plugin, `forward . ${upstream.address}`, { context: { ffi } })
    t.after(() => closeAll(forward, upstream))
    for (let i = 0; i < 40; i++) {
      const reply = await forward.ask(aChainQuery(`n${i}.example.org.`))
      assert.deepEqual(addressesOf(reply.wire), ['192.0.2.1'])
    }
    assert.ok(new Set(upstream.asked.map(({ clientPort }) => clientPort)).size >= 3)
  })
}

test('a datagram that came to a socket for its former port is not taken for a reply', {
  skip: await noDatagrams(),
}, async (t) => {
  const datagrams = (await openDatagrams())!
  const peer = dgram.createSocket('udp4')
  t.after(() => peer.close())
  await new Promise<void>((resolve) => peer.bind(0, '127.0.0.1', resolve))
  const name = datagrams.socketName('127.0.0.1', peer.address().port)
  const fd = datagrams.connect(name, undefined, 65536)
  t.after(() => datagrams.close(fd))
  const queries = datagrams.sendArena()
  const ask = async (): Promise<dgram.RemoteInfo> => {
    const came = new Promise<dgram.RemoteInfo>((resolve) => peer.once('message', (_, from) => resolve(from)))
    queries.put(12, 0, 0)
    assert.equal(datagrams.send(fd, queries), 0)
    queries.clear()
    return came
  }
  const before = await ask()
  for (let i = 0; i < 100; i++) await new Promise((resolve) => peer.send('late', before.port, before.address, resolve))
  assert.equal(datagrams.disconnect(fd), true)
  assert.equal(datagrams.reconnect(fd, name), true)
  const after = await ask()
  assert.notEqual(after.port, before.port)
  await new Promise((resolve) => peer.send('late', before.port, before.address, resolve))
  await new Promise((resolve) => peer.send('timely', after.port, after.address, resolve))
  for (let count = 0; count <= 0; ) {
    count = datagrams.receive(fd)
    if (count > 0) assert.equal(datagrams.take(0).toString(), 'timely')
    else await new Promise((resolve) => setImmediate(resolve))
  }
  assert.ok(datagrams.receive(fd) < 0)
})

async function noDatagrams(): Promise<false | string> {
  const datagrams = await openDatagrams()
  if (datagrams === undefined) return 'no node:ffi here'
  return datagrams.canDisconnect ? false : 'this kernel keeps the port'
}
