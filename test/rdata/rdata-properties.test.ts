/** Any octets as rdata of any type: nothing throws, nothing reads or writes outside, what is accepted survives every form. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  canonicalizeRdata,
  EXPANDED_SIZE_MAX,
  expandRdata,
  packetValue,
  printRdata,
  rdataOctets,
  rdataValue,
  scanRdataText,
  validateRdata,
} from '../../src/rdata/rdata.ts'
import { RdataError } from '../../src/rdata/rdata-error.ts'
import { typeName, typeNumber } from '../../src/rdata/rr-types.ts'
import { Random, SEED } from '../support/random.ts'
import { RR_FIXTURES } from './rr-fixtures.ts'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

/** Self-consistency that scanning asks for and octets may lack: RFC 9460 sections 7.1.1 and 8. */
const ONLY_SCANNING_REFUSES = /^(mandatory names .*, which is not there|no-default-alpn is there without alpn)$/

/** Checks octets in the middle of a buffer whose rest is a canary. */
function check(type: number, rdata: Uint8Array): boolean {
  const canary = 0xa5
  const buffer = new Uint8Array(rdata.length + 32).fill(canary)
  buffer.set(rdata, 16)
  const end = 16 + rdata.length
  const valid = validateRdata(type, buffer, 16, end)
  const message = `${typeName(type)} ${hex(rdata)} (SEED=${SEED})`
  const text = printRdata(type, buffer, 16, end)
  // Reading may not depend on what lies outside.
  buffer.fill(0x5a, 0, 16).fill(0x5a, end)
  assert.equal(validateRdata(type, buffer, 16, end), valid, message)
  assert.equal(printRdata(type, buffer, 16, end), text, message)
  if (!valid) {
    assert.ok(text.startsWith('\\# '), message)
    return false
  }
  let scanned: Uint8Array | undefined
  try {
    scanned = scanRdataText(type, text)
  } catch (error) {
    assert.ok(error instanceof RdataError && ONLY_SCANNING_REFUSES.test(error.problem), `${message}: ${text}: ${error}`)
  }
  if (scanned !== undefined) assert.equal(hex(scanned), hex(rdata), `${message}: ${text}`)
  assert.equal(hex(rdataOctets(type, rdataValue(type, buffer, 16, end))), hex(rdata), message)
  assert.equal(hex(rdataOctets(type, packetValue(type, buffer, 16, end))), hex(rdata), message)
  canonicalizeRdata(type, buffer, 16, end)
  assert.ok(validateRdata(type, buffer, 16, end), message)
  assert.ok(
    buffer.subarray(0, 16).every((octet) => octet === 0x5a) && buffer.subarray(end).every((octet) => octet === 0x5a),
    message,
  )
  return true
}

test(`every fixture cut at every octet, and made longer (SEED=${SEED})`, () => {
  const random = new Random()
  for (const { type, wire } of RR_FIXTURES) {
    const number = typeNumber(type)!
    const rdata = Uint8Array.from(Buffer.from(wire, 'hex'))
    for (let size = 0; size <= rdata.length; size++) check(number, rdata.subarray(0, size))
    for (const more of [1, 2, 16]) check(number, Uint8Array.from([...rdata, ...random.bytes(more)]))
  }
})

test(`every fixture with every octet set to 0, 1, 63, 64, 192, 255 (SEED=${SEED})`, () => {
  for (const { type, wire } of RR_FIXTURES) {
    const number = typeNumber(type)!
    const rdata = Uint8Array.from(Buffer.from(wire, 'hex'))
    for (let at = 0; at < rdata.length; at++) {
      const before = rdata[at]!
      for (const octet of [0, 1, 63, 64, 192, 255]) {
        rdata[at] = octet
        check(number, rdata)
      }
      rdata[at] = before
    }
  }
})

test(`random octets for all types (SEED=${SEED})`, () => {
  const random = new Random()
  let accepted = 0
  const types = [...new Set(RR_FIXTURES.map(({ type }) => typeNumber(type)!))]
  for (const type of types) {
    for (let round = 0; round < 60; round++) {
      const rdata = random.bytes(random.below(40))
      // Small numbers make names, strings and bitmaps that fit more often.
      for (let i = 0; i < rdata.length; i++) if (random.below(2) === 0) rdata[i] = random.below(5)
      if (check(type, rdata)) accepted++
    }
  }
  assert.ok(accepted > 100, `${accepted} accepted`)
})

test(`pointers anywhere in rdata are followed back or refused, inside the buffers (SEED=${SEED})`, () => {
  const random = new Random()
  const out = new Uint8Array(EXPANDED_SIZE_MAX)
  for (const { type, wire } of RR_FIXTURES) {
    const number = typeNumber(type)!
    const head = Buffer.from('0361626300', 'hex')
    const message = Buffer.concat([head, Buffer.from(wire, 'hex')])
    for (let round = 0; round < 40; round++) {
      const copy = Uint8Array.from(message)
      for (let change = random.below(3); change >= 0; change--) {
        const at = random.below(copy.length)
        copy[at] = 0xc0
        if (at + 1 < copy.length) copy[at + 1] = random.below(copy.length + 2)
      }
      const size = expandRdata(number, copy, 0, head.length, copy.length, out, 0)
      if (size >= 0) assert.ok(validateRdata(number, out, 0, size), `${type} ${hex(copy)}`)
    }
  }
})
