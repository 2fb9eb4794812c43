import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encode, type Packet } from 'dns-packet'
import { parseMessage } from '../../src/rdata/message.ts'
import { composeQuery } from '../../src/wire/compose-query.ts'
import { NameError } from '../../src/wire/name.ts'
import { ACCEPT, ParsedQuery } from '../../src/wire/parsed-query.ts'

function parsed(packet: Packet, before = 0): ParsedQuery {
  const message = encode(packet)
  const bytes = new Uint8Array(before + message.length)
  bytes.set(message, before)
  const query = new ParsedQuery()
  assert.equal(query.parse(bytes, before, message.length), ACCEPT)
  return query
}

const question = { qname: 'Other.example.', qtype: 28, qclass: 1 }

test('the new question stands under the same ID and flags', () => {
  const query = parsed({ id: 4711, type: 'query', flags: 0x0110, questions: [{ name: 'a.example', type: 'A' }] }, 7)
  const message = parseMessage(composeQuery(query, question))
  assert.equal(message.id, 4711)
  assert.equal(message.flags, 0x0110)
  assert.deepEqual(message.questions, [{ name: 'Other.example', type: 'AAAA', class: 'IN' }])
  assert.deepEqual(message.additionals, [])
})

test('OPT goes along, with size, DO and options', () => {
  const option = { code: 65001, data: Buffer.from('abc') }
  const opt = {
    type: 'OPT',
    name: '.',
    udpPayloadSize: 1400,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: 0x8000,
    flag_do: true,
    options: [option],
  }
  const query = parsed({ id: 1, questions: [{ name: 'a.example', type: 'A' }], additionals: [opt as never] })
  const bytes = composeQuery(query, question)
  const again = new ParsedQuery()
  assert.equal(again.parse(bytes, 0, bytes.length), ACCEPT)
  assert.equal(again.udpSize, 1400)
  assert.equal(again.dnssecOk, true)
  assert.deepEqual(
    bytes.slice(again.optionsAt, again.optionsAt + again.optionsLength),
    Uint8Array.from([0xfd, 0xe9, 0, 3, 97, 98, 99]),
  )
})

test('other records stay behind: a TSIG would not fit the new question', () => {
  const soa = { type: 'SOA', name: 'example', data: { mname: 'ns.example', rname: 'h.example', serial: 1 } }
  const query = parsed({ id: 1, questions: [{ name: 'example', type: 'IXFR' as never }], authorities: [soa as never] })
  assert.equal(query.hasExtraRecords, true)
  assert.deepEqual(parseMessage(composeQuery(query, question)).authorities, [])
})

test('a qname that is no name', () => {
  const query = parsed({ id: 1, questions: [{ name: 'example', type: 'A' }] })
  assert.throws(() => composeQuery(query, { ...question, qname: 'a..b.' }), NameError)
})
