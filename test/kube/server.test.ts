/** The whole server on the API: several processes, with and without `cache`, never an older answer after a newer one. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { decodeReply } from '../support/decode-reply.ts'
import { composeTestQuery, openUdpClient, type TestClient } from '../support/dns-client.ts'
import { startServer } from '../support/server.ts'
import { until } from '../support/until.ts'
import { openCluster } from './cluster.ts'
import { namespace, service, slice } from './objects.ts'

const NAME = 'web.shop.svc.cluster.local'
const TYPE_A = 1
/** Headless: a real API server lets no cluster IP change. */
const WEB = service('shop/web', { ips: ['None'], ports: ['http/TCP:80'] })
const web = (last: number) =>
  slice('shop/web-a', { service: 'web', endpoints: [`10.244.7.${last}`], ports: ['http/TCP:80'] })
/** Enough sockets that every process gets some (SO_REUSEPORT goes by the client's port). */
const CLIENTS = 48

async function answers(client: TestClient, name = NAME): Promise<string> {
  const reply = await client.ask(composeTestQuery(name, TYPE_A))
  assert.ok(reply !== undefined, `a reply for ${name}`)
  const { rcode, sections } = decodeReply(reply)
  return rcode === 0 ? sections[0].map(({ rdata }) => Number.parseInt(rdata.slice(-2), 16)).join() : `rcode ${rcode}`
}

for (const { title, processes, cache } of [
  { title: 'one process', processes: 1, cache: '' },
  { title: 'two processes', processes: 2, cache: '' },
  { title: 'two processes and cache', processes: 2, cache: 'cache 30' },
]) {
  test(`${title}: from a change on nobody gets an older answer`, async (t) => {
    const cluster = await openCluster()
    await cluster.put(namespace('shop'), WEB, web(1))
    const server = await startServer(
      `.:PORT {
        kubernetes cluster.local in-addr.arpa {
          ${cluster.apiLines()}
        }
        ${cache}
        ready 127.0.0.1:PORT1
      }`,
      { args: ['-processes', String(processes)] },
    )
    t.after(() => server.stop())
    const clients = Array.from({ length: CLIENTS }, () => openUdpClient(server.port))
    t.after(() => {
      for (const client of clients) client.close()
    })
    const [first] = clients
    assert.equal(await answers(first!), '1')
    assert.equal(await answers(first!, `late.shop.svc.cluster.local`), 'rcode 3')
    for (let version = 2; version < 12; version++) {
      await cluster.put(web(version))
      // Whoever sees it first: from then on everybody does.
      await until(`version ${version} is seen`, async () => (await answers(first!)) === String(version))
      const all = await Promise.all(clients.map((client) => answers(client)))
      assert.deepEqual([...new Set(all)], [String(version)])
    }
    // A name that was denied before is there as soon as its service is.
    await cluster.put(service('shop/late', { ips: ['10.96.7.99'], ports: ['x/TCP:1'] }))
    await until('the new name is there', async () => (await answers(first!, 'late.shop.svc.cluster.local')) === '99')
    const late = await Promise.all(clients.map((client) => answers(client, 'late.shop.svc.cluster.local')))
    assert.deepEqual([...new Set(late)], ['99'])
    await cluster.close()
  })
}
