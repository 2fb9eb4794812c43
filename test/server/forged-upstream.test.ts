/**
 * Replies that an upstream did not send, or that answer something else, come ahead of each right one. The right answer
 * must win each time, and nothing of the others may stay anywhere: Kaminsky, TuDoor (CVE-2023-28452), the birthday attack
 * (CVE-2023-30464) and records from outside the question.
 */
import assert from 'node:assert/strict'
import dgram from 'node:dgram'
import { after, before, describe, test } from 'node:test'
import { composeTestQuery, openTcpClient, openUdpClient, type TestClient } from '../support/dns-client.ts'
import { type Asked, addressesOf, type FakeUpstream, fakeReply, openFakeUpstream } from '../support/fake-upstream.ts'
import { startServer, type TestServer } from '../support/server.ts'

const A = 1
const RIGHT = '192.0.2.1'
const FORGED = '203.0.113.66'

const stops: (() => unknown)[] = []
after(async () => {
  for (const stop of stops.reverse()) await stop()
})

function start(upstream: FakeUpstream, more = ''): Promise<TestServer> {
  return startWith(`.:PORT {\n  errors\n  cache\n  forward . ${upstream.address}${more}\n}\n`)
}

async function startWith(text: string): Promise<TestServer> {
  const server = await startServer(text, { args: ['-processes', '1'] })
  stops.push(() => server.stop())
  return server
}

function udp(server: TestServer): TestClient {
  const client = openUdpClient(server.port)
  stops.push(() => client.close())
  return client
}

/** A reply to the query with another question; the rest is as it should be. */
function withQuestion(query: Buffer, change: (question: Buffer) => void): Buffer {
  const reply = fakeReply(query, { addresses: [FORGED] })
  change(reply.subarray(12))
  return reply
}

const wrongId = (query: Buffer): Buffer => {
  const reply = fakeReply(query, { addresses: [FORGED] })
  reply.writeUInt16BE((reply.readUInt16BE(0) + 1) & 0xffff, 0)
  return reply
}

/** What comes before the right reply, from the upstream's own address and port. */
const FORGERIES: Readonly<Record<string, (query: Buffer) => Buffer>> = {
  'nothing but an octet': () => Buffer.of(0),
  'a header alone': (query) => fakeReply(query).subarray(0, 12),
  garbage: () => Buffer.alloc(60, 0xa5),
  'another ID': wrongId,
  'another name': (query) => withQuestion(query, (question) => question.writeUInt8(question[1]! ^ 1, 1)),
  'another type': (query) => withQuestion(query, (question) => question.writeUInt8(28, question.indexOf(0) + 2)),
  'another class': (query) => withQuestion(query, (question) => question.writeUInt8(3, question.indexOf(0) + 4)),
  'no question': (query) => {
    const reply = Buffer.concat([fakeReply(query).subarray(0, 12)])
    reply.writeUInt16BE(0, 4)
    return reply
  },
  'two questions': (query) => {
    const reply = fakeReply(query)
    const question = reply.subarray(12)
    const twice = Buffer.concat([reply, question])
    twice.writeUInt16BE(2, 4)
    return twice
  },
  'a right ID cut short': (query) => fakeReply(query, { addresses: [FORGED] }).subarray(0, -3),
  'QR clear': (query) => fakeReply(query, { addresses: [FORGED], flags: 0x0100 }),
  'FORMERR for another question': (query) =>
    withQuestion(fakeReply(query, { rcode: 1 }), (question) => question.writeUInt8(question[1]! ^ 1, 1)),
}

describe('forged replies', () => {
  const upstreams: FakeUpstream[] = []
  let client: TestClient
  before(async () => {
    for (const forge of Object.values(FORGERIES)) {
      const upstream = await openFakeUpstream(({ message, send }) => {
        for (let i = 0; i < 3; i++) send(forge(message))
        setTimeout(() => send(fakeReply(message, { addresses: [RIGHT] })), 50)
      })
      upstreams.push(upstream)
    }
    const lines = upstreams.map(({ address }, i) => `  forward forgery${i}.test ${address}\n`)
    client = udp(await startWith(`.:PORT {\n  errors\n  cache\n${lines.join('')}}\n`))
  })
  for (const [index, title] of Object.keys(FORGERIES).entries()) {
    test(`${title}, ahead of the right one`, async () => {
      const ask = async (i: number): Promise<readonly string[]> =>
        addressesOf(await client.ask(composeTestQuery(`n${i}.forgery${index}.test`, A)))
      const numbers = Array.from({ length: 20 }, (_, i) => i)
      for (const addresses of await Promise.all(numbers.map(ask))) assert.deepEqual(addresses, [RIGHT])
      // What was cached is the right one too, and no health check was called for.
      for (const i of numbers) assert.deepEqual(await ask(i), [RIGHT])
      assert.equal(upstreams[index]!.asked.length, 20)
    })
  }

  test('from another port or address of the same machine, with every ID', async () => {
    const forger = dgram.createSocket('udp4')
    const elsewhere = dgram.createSocket('udp4')
    await new Promise<void>((resolve) => elsewhere.bind(0, '127.0.0.2', resolve))
    stops.push(
      () => forger.close(),
      () => elsewhere.close(),
    )
    const upstream = await openFakeUpstream(({ message, clientPort, send }) => {
      const forged = fakeReply(message, { addresses: [FORGED] })
      for (const socket of [forger, elsewhere]) socket.send(forged, clientPort, '127.0.0.1')
      // The right port, guessed IDs: they come from the upstream's own address.
      for (let id = 0; id < 200; id++) {
        const guess = Buffer.from(forged)
        guess.writeUInt16BE((message.readUInt16BE(0) + 1 + id) & 0xffff, 0)
        send(guess)
      }
      setTimeout(() => send(fakeReply(message, { addresses: [RIGHT] })), 30)
    })
    const server = await start(upstream)
    const client = udp(server)
    for (let i = 0; i < 20; i++) {
      assert.deepEqual(addressesOf(await client.ask(composeTestQuery(`n${i}.test`, A))), [RIGHT])
    }
  })

  test('source ports and IDs differ from query to query', async () => {
    const upstream = await openFakeUpstream((asked: Asked) =>
      asked.send(fakeReply(asked.message, { addresses: [RIGHT] })),
    )
    const server = await start(upstream)
    const client = udp(server)
    const COUNT = 1000
    for (let i = 0; i < COUNT; i += 20) {
      await Promise.all(Array.from({ length: 20 }, (_, k) => client.ask(composeTestQuery(`n${i + k}.test`, A))))
    }
    const asked = upstream.asked.filter(({ over }) => over === 'udp')
    const ids = new Set(asked.map(({ message }) => message.readUInt16BE(0)))
    const ports = new Set(asked.map(({ clientPort }) => clientPort))
    assert.ok(ids.size > COUNT * 0.97, `${ids.size} IDs in ${COUNT} queries`)
    assert.ok(ports.size >= 16, `${ports.size} source ports in ${COUNT} queries`)
    const steps = asked
      .slice(1)
      .filter(({ message }, i) => message.readUInt16BE(0) === asked[i]!.message.readUInt16BE(0) + 1)
    assert.ok(steps.length < 10, 'IDs do not count up')
  })
})

describe('what a right reply may bring along', () => {
  test('1,000 equal queries at once are one query upstream', async () => {
    const upstream = await openFakeUpstream(({ message, send }) => {
      setTimeout(() => send(fakeReply(message, { addresses: [RIGHT] })), 300)
    })
    const server = await start(upstream)
    const clients = Array.from({ length: 50 }, () => udp(server))
    const replies = await Promise.all(
      Array.from({ length: 1000 }, (_, i) => clients[i % clients.length]!.ask(composeTestQuery('same.test', A))),
    )
    for (const reply of replies) assert.deepEqual(addressesOf(reply), [RIGHT])
    assert.equal(upstream.asked.length, 1)
  })

  test('records for other names are not kept: a later query for them is asked', async () => {
    const other = composeTestQuery('bank.test', A).subarray(12, -4)
    const upstream = await openFakeUpstream(({ message, send }) => {
      if (message.includes('bank')) return send(fakeReply(message, { addresses: [RIGHT] }))
      const reply = fakeReply(message, { addresses: [RIGHT] })
      const extra = Buffer.concat([other, Buffer.of(0, 1, 0, 1, 0, 0, 14, 16, 0, 4, 203, 0, 113, 66)])
      const whole = Buffer.concat([reply, extra])
      whole.writeUInt16BE(1, 10)
      send(whole)
    })
    const server = await start(upstream)
    const client = udp(server)
    assert.deepEqual(addressesOf(await client.ask(composeTestQuery('any.test', A))), [RIGHT])
    assert.deepEqual(addressesOf(await client.ask(composeTestQuery('bank.test', A))), [RIGHT])
    assert.equal(upstream.asked.length, 2)
  })

  for (const [title, answer] of Object.entries({
    'truncated for ever': ({ message, send }: Asked): void => send(fakeReply(message, { flags: 0x8380 })),
    'closed over TCP at once': ({ message, send, over, end }: Asked): void => {
      if (over === 'tcp') end()
      else send(fakeReply(message, { flags: 0x8380 }))
    },
    'SERVFAIL for ever': ({ message, send }: Asked): void => send(fakeReply(message, { rcode: 2 })),
  })) {
    test(`an upstream that answers ${title} gets no more than 8 queries for one`, async () => {
      const upstream = await openFakeUpstream(answer)
      const server = await start(upstream, ' {\n    prefer_udp\n  }')
      const client = openTcpClient(server.port)
      stops.push(() => client.close())
      const reply = await client.ask(composeTestQuery('bad.test', A), 8000)
      assert.ok(reply !== undefined)
      assert.ok(upstream.asked.length <= 8, `${upstream.asked.length} queries upstream`)
    })
  }
})
