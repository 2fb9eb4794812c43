/**
 * A DNS server as one writes it in an afternoon with npm's packages: node:dgram, dns-packet, lru-cache. A fair one: it decodes each query,
 * keeps encoded answers in the cache, and sends from there.
 *
 *   bin/node native-free-bench/servers/programs/npm-server.ts ADDRESS PORT ORIGIN ZONEFILE [ORIGIN ZONEFILE …]
 */
import { createSocket } from 'node:dgram'
import { readFileSync } from 'node:fs'
import dnsPacket, { type Answer, type Packet } from 'dns-packet'
import { LRUCache } from 'lru-cache'

const [, , address = '127.0.0.1', port = '5300', ...zones] = process.argv

/** Records by owner and type; owners by themselves, with their type `''`, tell NODATA from NXDOMAIN. */
const records = new Map<string, Answer[]>()
for (let i = 0; i < zones.length; i += 2) load(zones[i]!, zones[i + 1]!)

const cache = new LRUCache<string, Buffer>({ max: 10_000 })
const socket = createSocket({ type: 'udp4', reusePort: true, recvBufferSize: 4 << 20, sendBufferSize: 4 << 20 })
socket.on('message', (message, client) => {
  let query: Packet
  try {
    query = dnsPacket.decode(message)
  } catch {
    return
  }
  const question = query.questions?.[0]
  if (question === undefined) return
  const key = `${question.name} ${question.type}`
  let reply = cache.get(key)
  if (reply === undefined) {
    const answers = records.get(key.toLowerCase()) ?? []
    const known = answers.length > 0 || records.has(`${question.name.toLowerCase()} `)
    reply = dnsPacket.encode({
      type: 'response',
      id: 0,
      flags: dnsPacket.AUTHORITATIVE_ANSWER | dnsPacket.RECURSION_DESIRED | (known ? 0 : 3),
      questions: [question],
      answers,
    })
    cache.set(key, reply)
  }
  const out = Buffer.from(reply)
  out.writeUInt16BE(query.id ?? 0, 0)
  socket.send(out, client.port, client.address)
})
socket.bind(Number(port), address)

function load(origin: string, path: string): void {
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    const [owner = '', type = '', data = ''] = line.split(' ')
    if (type !== 'A' && type !== 'AAAA') continue
    const name = (owner.endsWith('.') ? owner : `${owner}.${origin}`).replace(/\.$/, '').toLowerCase()
    records.set(`${name} ${type.toLowerCase()}`, [{ name, type, ttl: 300, data }])
    records.set(`${name} `, [])
  }
}
