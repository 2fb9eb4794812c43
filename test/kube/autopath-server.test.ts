/**
 * `autopath @kubernetes` on the whole server, in two processes with `cache`: how many round trips a name outside the cluster takes, and no answer
 * for one namespace given to a client in another, however fast addresses move from pod to pod.
 */
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { decodeReply } from '../support/decode-reply.ts'
import { composeTestQuery } from '../support/dns-client.ts'
import { type FakeUpstream, openFakeUpstream } from '../support/fake-upstream.ts'
import { printedSeed, seededRandom } from '../support/seeded-random.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/until.ts'
import { type Cluster, openCluster } from './cluster.ts'
import { namespace, pod, service } from './objects.ts'

const TYPE_A = 1
const TYPE_AAAA = 28
const NXDOMAIN = 3
const ANSWER_MS_MAX = 3000

interface PodClient {
  /** RCODE, and the addresses in the answer. */
  ask(name: string, qtype?: number): Promise<string>
  close(): void
}

/** A client at an address of its own. */
async function clientAt(address: string, port: number): Promise<PodClient> {
  const socket = createSocket('udp4')
  const waiting = new Map<number, (reply: Buffer) => void>()
  socket.on('message', (reply) => waiting.get(reply.readUInt16BE(0))?.(reply))
  await new Promise<void>((resolve) => socket.bind(0, address, resolve))
  let id = 0
  return {
    ask: async (name, qtype = TYPE_A) => {
      id = (id + 1) & 0xffff
      const own = id
      const reply = await new Promise<Buffer>((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`no answer for ${name}`)), ANSWER_MS_MAX)
        waiting.set(own, (message) => {
          clearTimeout(timer)
          resolve(message)
        })
        socket.send(composeTestQuery(name, qtype, { id: own }), port, '127.0.0.1')
      })
      waiting.delete(own)
      const { rcode, sections } = decodeReply(reply)
      const addresses = sections[0].filter(({ type }) => type === qtype).map(({ rdata }) => rdata)
      return [rcode, ...addresses].join(' ')
    },
    close: () => socket.close(),
  }
}

async function start(cluster: Cluster, upstream: number, autopath: string): Promise<TestServer> {
  return startServer(
    `.:PORT {
      ready 127.0.0.1:PORT1
      ${autopath}
      kubernetes cluster.local {
        ${cluster.apiLines()}
        pods verified
      }
      forward . 127.0.0.1:${upstream}
      cache 30
    }`,
    { args: ['-processes', '2'] },
  )
}

/** Answers 192.0.2.80 for names in example.org, NXDOMAIN for others. */
async function openInternet(): Promise<FakeUpstream> {
  return openFakeUpstream((asked) => {
    const { message } = asked
    const isThere = message.includes(Buffer.from('\x07example\x03org\0', 'latin1'))
    const questionEnd = message.indexOf(0, 12) + 5
    const head = Buffer.from(message.subarray(0, questionEnd))
    const isA = head.readUInt16BE(questionEnd - 4) === TYPE_A
    head.writeUInt16BE(isThere ? 0x8180 : 0x8183, 2)
    head.writeUInt16BE(isThere && isA ? 1 : 0, 6)
    head.writeUInt16BE(0, 10)
    const record = Buffer.from('c00c000100010000003c0004c0000250', 'hex')
    asked.send(Buffer.concat(isThere && isA ? [head, record] : [head]))
  })
}

const CLUSTER_PATH = ['walk.svc.cluster.local.', 'svc.cluster.local.', 'cluster.local.']
const OFFICE_PATH = ['one.example.', 'two.example.', 'three.example.']

interface Trips {
  readonly client: number
  readonly upstream: number
}

/** Asks for a fresh name as a resolver does that has this search path and `ndots:5`, which the kubelet writes. */
async function walk(
  client: PodClient,
  internet: FakeUpstream,
  path: readonly string[],
  qtype: number,
  name: string,
): Promise<Trips> {
  const before = internet.asked.length
  let trips = 0
  for (const domain of [...path, '']) {
    trips++
    const reply = await client.ask(`${name}.${domain}`, qtype)
    if (reply.startsWith(String(NXDOMAIN))) continue
    assert.equal(reply, qtype === TYPE_A ? '0 c0000250' : '0')
    return { client: trips, upstream: internet.asked.length - before }
  }
  assert.fail(`${name} was not found`)
}

test('a name outside the cluster: one round trip instead of four and more', async (t) => {
  const folder = temporaryFolder()
  const fileWith = (name: string, path: readonly string[]): string => {
    const file = join(folder, name)
    writeFileSync(file, `search ${path.join(' ')}\n`)
    return `autopath ${file}`
  }
  const cluster = await openCluster()
  const internet = await openInternet()
  await cluster.put(namespace('walk'), pod('walk/client', ['127.0.0.1']))
  const cases: readonly [title: string, path: readonly string[], autopath: string][] = [
    ["pod's search path", CLUSTER_PATH, 'autopath @kubernetes'],
    ['the same path in a resolv.conf', CLUSTER_PATH, fileWith('cluster', CLUSTER_PATH)],
    ["three domains of the upstream's, in a resolv.conf", OFFICE_PATH, fileWith('office', OFFICE_PATH)],
  ]
  const table = ['| search path | QTYPE | client: without | with | upstream: without | with |']
  let fresh = 0
  const tripsOf = async (autopath: string, paths: readonly (readonly string[])[]): Promise<Trips[][]> => {
    const server = await start(cluster, internet.port, autopath)
    t.after(() => server.stop())
    const client = await clientAt('127.0.0.1', server.port)
    t.after(() => client.close())
    const trips: Trips[][] = []
    for (const path of paths) {
      const name = `www${fresh++}.example.org`
      const a = await walk(client, internet, path, TYPE_A, name)
      trips.push([a, await walk(client, internet, path, TYPE_AAAA, name)])
    }
    await server.stop()
    return trips
  }
  const without = await tripsOf(
    '',
    cases.map(([, path]) => path),
  )
  for (const [i, [title, path, autopath]] of cases.entries()) {
    const [having] = await tripsOf(autopath, [path])
    // The cluster's own names are answered here.
    const upstream = path === OFFICE_PATH ? path.length + 1 : 1
    for (const [k, qtype] of ['A', 'AAAA'].entries()) {
      const [before, after] = [without[i]![k]!, having![k]!]
      table.push(
        `| ${title} | ${qtype} | ${before.client} | ${after.client} | ${before.upstream} | ${after.upstream} |`,
      )
      assert.deepEqual(before, { client: path.length + 1, upstream }, `${title}, ${qtype}`)
      assert.deepEqual(after, { client: 1, upstream }, `${title}, ${qtype}`)
    }
  }
  // Stands in src/plugins/autopath/README.md.
  t.diagnostic(`\n${table.join('\n')}`)
  await cluster.close()
})

test('addresses that move between namespaces: nobody is answered from a namespace that is not its own', async (t) => {
  const random = seededRandom(printedSeed())
  const cluster = await openCluster()
  const internet = await openInternet()
  const spaces = ['move-a', 'move-b', 'move-c']
  // `target.move-a` is there in the second search domain only, so that only walking finds it.
  await cluster.put(
    ...spaces.map((name) => namespace(name)),
    service('move-a/target', { ips: ['10.96.14.1'], ports: ['x/TCP:1'] }),
  )
  const server = await start(cluster, internet.port, 'autopath @kubernetes')
  t.after(() => server.stop())
  const addresses = ['127.0.1.1', '127.0.1.2', '127.0.1.3']
  const clients = new Map<string, readonly PodClient[]>()
  for (const address of addresses) {
    // Several ports each, so that both processes are asked.
    clients.set(address, await Promise.all(Array.from({ length: 8 }, () => clientAt(address, server.port))))
  }
  t.after(() => {
    for (const each of clients.values()) for (const client of each) client.close()
  })
  const nameIn = (space: string): string => `target.move-a.${space}.svc.cluster.local`
  const walked = '0 0a600e01'
  const owners = new Map<string, string>()
  let questions = 0
  for (let step = 0; step < 40; step++) {
    const address = random.pick(addresses)
    const before = owners.get(address)
    const space = random.pick(spaces.filter((each) => each !== before))
    const inSpace = (name: string) => pod(`${name}/pod-${address.replaceAll('.', '-')}`, [address])
    // In either order: two pods may have the address for a moment, or none.
    const moves = [
      async () => cluster.put(inSpace(space)),
      async () => before !== undefined && cluster.remove(inSpace(before)),
    ]
    for (const move of random.oneIn(2) ? moves : moves.toReversed()) await move()
    owners.set(address, space)
    const [first] = clients.get(address)!
    await until('the move is seen', async () => (await first!.ask(nameIn(space))) === walked)
    // From now on every process knows it, and what others were answered doesn't matter.
    const asking: Promise<void>[] = []
    for (const [from, own] of owners) {
      for (const client of clients.get(from)!) {
        for (const each of spaces) {
          questions++
          const wanted = each === own ? walked : String(NXDOMAIN)
          const check = async (): Promise<void> => {
            assert.equal(await client.ask(nameIn(each)), wanted, `${from} is in ${own}, asks in ${each}, step ${step}`)
          }
          asking.push(check())
        }
      }
    }
    await Promise.all(asking)
  }
  t.diagnostic(`${questions} questions`)
  await cluster.close()
})
