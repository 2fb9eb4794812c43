import assert from 'node:assert/strict'
import { composeOptions, parseOptions } from '../../../src/rdata/edns-options.ts'
import {
  canonicalizeRdata,
  EXPANDED_SIZE_MAX,
  expandRdata,
  packetValue,
  printGeneric,
  printRdata,
  rdataOctets,
  rdataValue,
  scanRdataText,
  validateRdata,
} from '../../../src/rdata/rdata.ts'
import { RdataError } from '../../../src/rdata/rdata-error.ts'
import { RR_TABLE } from '../../../src/rdata/rr-table.ts'
import { typeName, typeNumber } from '../../../src/rdata/rr-types.ts'
import { textToName } from '../../../src/wire/name.ts'
import { OctetWriter } from '../../../src/wire/octet-writer.ts'
import { RR_FIXTURES } from '../../rdata/rr-fixtures.ts'
import { joined } from '../mutate.ts'
import { type FuzzTarget, Guarded, octets, ofHex, textOf, toHex, unlessRefused } from '../target.ts'

/** Types by the number that an input's first octet gives; the last one has no row. */
const TYPES: readonly number[] = [...RR_TABLE.map(({ type }) => type), 65_280]
const ORIGIN = textToName('origin.example.')

/** Self-consistency that scanning asks for and octets may lack: RFC 9460 sections 7.1.1 and 8. */
const ONLY_SCANNING_REFUSES = /^(mandatory names .*, which is not there|no-default-alpn is there without alpn)$/

function typeOf(input: Uint8Array): number {
  return TYPES[(input[0] ?? 0) % TYPES.length]!
}

function asInput(type: string, rest: Uint8Array): Uint8Array {
  return joined(Uint8Array.of(TYPES.indexOf(typeNumber(type)!)), rest)
}

const scratch = new Uint8Array(EXPANDED_SIZE_MAX)

export const rdataWire: FuzzTarget = {
  name: 'rdata-wire',
  invariant:
    'octets of any type validate or not, without a throw or a look beyond their end; valid ones survive printing and scanning, and both value shapes',
  corpus: RR_FIXTURES.map(({ type, wire }) => asInput(type, ofHex(wire))),
  words: ['00', '0161', '0161 00', 'c000', '0001', '0004 c0000201', 'ffff', '00 01 80'].map(ofHex),
  run(input) {
    const type = typeOf(input)
    const rdata = input.subarray(1)
    const guarded = new Guarded(rdata)
    const { bytes, at, end } = guarded
    const isValid = validateRdata(type, bytes, at, end)
    const text = printRdata(type, bytes, at, end)
    guarded.check()
    guarded.surround(0)
    assert.equal(validateRdata(type, bytes, at, end), isValid, 'what stands around counts')
    assert.equal(printRdata(type, bytes, at, end), text, 'what stands around counts')
    const size = expandRdata(type, bytes, at, at, end, scratch, 0)
    if (size >= 0) assert.ok(validateRdata(type, scratch, 0, size), 'expanded rdata is valid')
    if (!isValid) {
      assert.equal(text, printGeneric(bytes, at, end))
      return false
    }
    assert.equal(size, rdata.length)
    const scanned = scannedAgain(text, () => scanRdataText(type, text))
    if (scanned !== undefined) assert.equal(toHex(scanned), toHex(rdata), `${typeName(type)} ${text}`)
    for (const value of [rdataValue(type, bytes, at, end), packetValue(type, bytes, at, end)]) {
      assert.equal(toHex(rdataOctets(type, value)), toHex(rdata), text)
    }
    canonicalizeRdata(type, bytes, at, end)
    guarded.check(0)
    assert.ok(validateRdata(type, bytes, at, end))
    return true
  },
}

/** What printed text is scanned as; undefined where it says what octets may have and text may not. */
export function scannedAgain<T>(printed: string, scan: () => T): T | undefined {
  try {
    return scan()
  } catch (error) {
    if (error instanceof RdataError && ONLY_SCANNING_REFUSES.test(error.problem)) return undefined
    throw new Error(`its own text is refused: ${printed}`, { cause: error })
  }
}

export const rdataText: FuzzTarget = {
  name: 'rdata-text',
  invariant:
    'scanRdataText throws only RdataError; what it takes is valid, and printed as text that gives the same octets',
  corpus: [
    ...RR_FIXTURES.map(({ type, text }) => asInput(type, octets(text))),
    ...RR_FIXTURES.map(({ type, wire }) => asInput(type, octets(`\\# ${wire.length / 2} ${wire}`))),
    asInput('MX', octets('10 mail ; a comment')),
    asInput('TXT', octets('( "a"\n b\\032c )')),
  ],
  words: [
    ...['(', ')', '"', ';', '\\', '\\000', '\\# ', '\n', ' ', '@', '.', ':', '::', '/', '=', ',', '!', '-', '+', '0x'],
    ...['65535', '65536', '4294967295', '4294967296', '-1', '1e3', 'key65535', 'alpn=', 'mandatory=', 'port=', 'ech='],
    ...['ipv4hint=', 'dohpath=', 'TYPE65535', 'NSEC', '20301231235959', 'AQIDBA==', 'A===', '255.255.255.255', 'ffff'],
  ].map(octets),
  run(input) {
    const type = typeOf(input)
    const text = textOf(input.subarray(1))
    const rdata = unlessRefused(() => scanRdataText(type, text, ORIGIN), RdataError)
    if (rdata === undefined) return false
    assert.ok(validateRdata(type, rdata, 0, rdata.length), `${typeName(type)} ${text} gives ${toHex(rdata)}`)
    const printed = printRdata(type, rdata)
    const again = scannedAgain(printed, () => scanRdataText(type, printed))
    // Octets that were given as such (RFC 3597) may be what text can't say.
    if (again === undefined) return true
    assert.equal(toHex(again), toHex(rdata), `${typeName(type)} ${text} prints as ${printed}`)
    assert.equal(toHex(rdataOctets(type, packetValue(type, rdata, 0, rdata.length))), toHex(rdata), printed)
    return true
  },
}

export const ednsOptions: FuzzTarget = {
  name: 'edns-options',
  invariant:
    'parseOptions gives options or undefined, never throws; composed again, with their octets, they are the same',
  corpus: [
    ofHex(''),
    ofHex('0008 0007 0001 18 00 c00002'),
    ofHex('0008 000b 0002 38 00 20010db8000001'),
    ofHex('000a 0008 0102030405060708 000c 0004 00000000 0003 0000'),
    ofHex('000b 0002 0064 000e 0004 00010002 fde9 0001 ff 000f 0002 0016'),
  ],
  words: ['0008', '000a', '000b', '000e', '0000', 'ffff', '0001', '0002', '0080'].map(ofHex),
  run(input) {
    const guarded = new Guarded(input)
    const options = parseOptions(guarded.bytes, guarded.at, guarded.end)
    if (options === undefined) return false
    const out = new OctetWriter()
    composeOptions(options, out)
    assert.equal(toHex(out.take()), toHex(input))
    // The fields that dns-packet shows are enough too, where all are there.
    for (const { data: _data, ...fields } of options) {
      unlessRefused(() => composeOptions([fields], new OctetWriter()), RdataError)
    }
    return true
  },
}
