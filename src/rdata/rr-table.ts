/**
 * One row for each RR type that IANA's registry has with a defined rdata: number, mnemonic, what the rdata is made of,
 * and the RFC (or other document) that says so. To add a type, add a row here and a fixture in test/rdata.
 *
 * A row without `rdata` has no presentation format of its own (meta types, types whose format was never published):
 * its rdata is opaque and written as RFC 3597 section 5 says. Types without a row are treated the same.
 *
 * `inPacket: 'buffer'` marks the types that dns-packet names but hands out as a Buffer of the rdata; to keep its shapes
 * they stay so in messages. `rdataValue` gives their fields all the same.
 */
import type { Field } from './field.ts'
import { addressPrefixes } from './fields/address-prefixes.ts'
import { eui48, eui64, ilnp64, ipv4, ipv6 } from './fields/addresses.ts'
import {
  atmAddress,
  fingerprint,
  hash32,
  nsapAddress,
  restBase64,
  restHex,
  salt,
  sizedBase64,
} from './fields/binary.ts'
import { nxtBitmap, rrType, typeBitmap, wellKnownServices } from './fields/bitmaps.ts'
import { a6, amtRelay, hostIdentity, ipsecKey } from './fields/gateways.ts'
import { location } from './fields/location.ts'
import { compressedName, exactName, plainName } from './fields/names.ts'
import {
  algorithm,
  certificateType,
  criticalFlags,
  dsyncScheme,
  moment,
  period,
  tsigError,
  u8,
  u16,
  u32,
  u48,
  u64,
} from './fields/numbers.ts'
import { serviceParameters } from './fields/service-parameters.ts'
import { charString, charStrings, optionalString, restText, tag } from './fields/strings.ts'

export interface RRRow {
  readonly type: number
  readonly mnemonic: string
  readonly rdata?: readonly Field[]
  readonly rfc: number | string
  readonly inPacket?: 'buffer'
}

const key = [u16('flags'), u8('protocol', 3), algorithm('algorithm'), restBase64('key', '')]
const ds = [u16('keyTag'), algorithm('algorithm'), u8('digestType'), restHex('digest')]
const signature = [
  rrType('typeCovered'),
  algorithm('algorithm'),
  u8('labels'),
  period('originalTTL'),
  moment('expiration'),
  moment('inception'),
  u16('keyTag'),
  plainName('signersName'),
  restBase64('signature'),
]
const certificate = [u8('usage'), u8('selector'), u8('matchingType'), restHex('certificate')]
const service = [u16('priority'), exactName('target'), serviceParameters('params')]

export const RR_TABLE: readonly RRRow[] = [
  { type: 1, mnemonic: 'A', rdata: [ipv4('')], rfc: 1035 },
  { type: 2, mnemonic: 'NS', rdata: [compressedName('')], rfc: 1035 },
  { type: 3, mnemonic: 'MD', rdata: [compressedName('')], rfc: 1035 },
  { type: 4, mnemonic: 'MF', rdata: [compressedName('')], rfc: 1035 },
  { type: 5, mnemonic: 'CNAME', rdata: [compressedName('')], rfc: 1035 },
  {
    type: 6,
    mnemonic: 'SOA',
    rdata: [
      compressedName('mname'),
      compressedName('rname'),
      u32('serial', 0),
      period('refresh'),
      period('retry'),
      period('expire'),
      period('minimum'),
    ],
    rfc: 1035,
  },
  { type: 7, mnemonic: 'MB', rdata: [compressedName('')], rfc: 1035 },
  { type: 8, mnemonic: 'MG', rdata: [compressedName('')], rfc: 1035 },
  { type: 9, mnemonic: 'MR', rdata: [compressedName('')], rfc: 1035 },
  { type: 10, mnemonic: 'NULL', rfc: 1035 },
  { type: 11, mnemonic: 'WKS', rdata: [wellKnownServices('')], rfc: 1035 },
  { type: 12, mnemonic: 'PTR', rdata: [compressedName('')], rfc: 1035 },
  { type: 13, mnemonic: 'HINFO', rdata: [charString('cpu'), charString('os')], rfc: 1035 },
  { type: 14, mnemonic: 'MINFO', rdata: [compressedName('rmailbx'), compressedName('emailbx')], rfc: 1035 },
  { type: 15, mnemonic: 'MX', rdata: [u16('preference', 0), compressedName('exchange')], rfc: 1035 },
  { type: 16, mnemonic: 'TXT', rdata: [charStrings('')], rfc: 1035 },
  { type: 17, mnemonic: 'RP', rdata: [plainName('mbox'), plainName('txt')], rfc: 1183 },
  { type: 18, mnemonic: 'AFSDB', rdata: [u16('subtype'), plainName('hostname')], rfc: 1183, inPacket: 'buffer' },
  { type: 19, mnemonic: 'X25', rdata: [charString('')], rfc: 1183 },
  { type: 20, mnemonic: 'ISDN', rdata: [charString('address'), optionalString('subaddress')], rfc: 1183 },
  { type: 21, mnemonic: 'RT', rdata: [u16('preference'), plainName('intermediate')], rfc: 1183 },
  { type: 22, mnemonic: 'NSAP', rdata: [nsapAddress('')], rfc: 1706 },
  { type: 23, mnemonic: 'NSAP-PTR', rdata: [exactName('')], rfc: 1348 },
  { type: 24, mnemonic: 'SIG', rdata: signature, rfc: 2535, inPacket: 'buffer' },
  { type: 25, mnemonic: 'KEY', rdata: key, rfc: 2535, inPacket: 'buffer' },
  { type: 26, mnemonic: 'PX', rdata: [u16('preference'), plainName('map822'), plainName('mapx400')], rfc: 2163 },
  {
    type: 27,
    mnemonic: 'GPOS',
    rdata: [charString('longitude'), charString('latitude'), charString('altitude')],
    rfc: 1712,
  },
  { type: 28, mnemonic: 'AAAA', rdata: [ipv6('')], rfc: 3596 },
  { type: 29, mnemonic: 'LOC', rdata: [location()], rfc: 1876, inPacket: 'buffer' },
  { type: 30, mnemonic: 'NXT', rdata: [plainName('nextDomain'), nxtBitmap('rrtypes')], rfc: 2535 },
  { type: 31, mnemonic: 'EID', rdata: [restHex('')], rfc: 'Nimrod DNS draft' },
  { type: 32, mnemonic: 'NIMLOC', rdata: [restHex('')], rfc: 'Nimrod DNS draft' },
  {
    type: 33,
    mnemonic: 'SRV',
    rdata: [u16('priority', 0), u16('weight', 0), u16('port', 0), plainName('target')],
    rfc: 2782,
  },
  { type: 34, mnemonic: 'ATMA', rdata: [atmAddress('')], rfc: 'ATM Forum AF-DANS-0152' },
  {
    type: 35,
    mnemonic: 'NAPTR',
    rdata: [
      u16('order', 0),
      u16('preference', 0),
      charString('flags'),
      charString('services'),
      charString('regexp'),
      plainName('replacement'),
    ],
    rfc: 3403,
  },
  { type: 36, mnemonic: 'KX', rdata: [u16('preference'), plainName('exchanger')], rfc: 2230, inPacket: 'buffer' },
  {
    type: 37,
    mnemonic: 'CERT',
    rdata: [certificateType('certificateType'), u16('keyTag'), algorithm('algorithm'), restBase64('certificate')],
    rfc: 4398,
    inPacket: 'buffer',
  },
  { type: 38, mnemonic: 'A6', rdata: [a6()], rfc: 2874 },
  { type: 39, mnemonic: 'DNAME', rdata: [plainName('')], rfc: 6672 },
  {
    type: 40,
    mnemonic: 'SINK',
    rdata: [u8('meaning'), u8('coding'), u8('subcoding'), restBase64('data', '')],
    rfc: 'kitchen sink draft',
  },
  { type: 41, mnemonic: 'OPT', rfc: 6891 },
  { type: 42, mnemonic: 'APL', rdata: [addressPrefixes()], rfc: 3123, inPacket: 'buffer' },
  { type: 43, mnemonic: 'DS', rdata: ds, rfc: 4034 },
  { type: 44, mnemonic: 'SSHFP', rdata: [u8('algorithm'), u8('hash'), fingerprint('fingerprint')], rfc: 4255 },
  { type: 45, mnemonic: 'IPSECKEY', rdata: [ipsecKey()], rfc: 4025, inPacket: 'buffer' },
  { type: 46, mnemonic: 'RRSIG', rdata: signature, rfc: 4034 },
  { type: 47, mnemonic: 'NSEC', rdata: [exactName('nextDomain'), typeBitmap('rrtypes')], rfc: 4034 },
  { type: 48, mnemonic: 'DNSKEY', rdata: key, rfc: 4034 },
  { type: 49, mnemonic: 'DHCID', rdata: [restBase64('')], rfc: 4701, inPacket: 'buffer' },
  {
    type: 50,
    mnemonic: 'NSEC3',
    rdata: [u8('algorithm'), u8('flags'), u16('iterations'), salt('salt'), hash32('nextDomain'), typeBitmap('rrtypes')],
    rfc: 5155,
  },
  {
    type: 51,
    mnemonic: 'NSEC3PARAM',
    rdata: [u8('algorithm'), u8('flags'), u16('iterations'), salt('salt')],
    rfc: 5155,
    inPacket: 'buffer',
  },
  { type: 52, mnemonic: 'TLSA', rdata: certificate, rfc: 6698 },
  { type: 53, mnemonic: 'SMIMEA', rdata: certificate, rfc: 8162 },
  { type: 55, mnemonic: 'HIP', rdata: [hostIdentity()], rfc: 8005, inPacket: 'buffer' },
  { type: 56, mnemonic: 'NINFO', rdata: [charStrings('')], rfc: 'zone status draft' },
  { type: 57, mnemonic: 'RKEY', rdata: key, rfc: 'record key draft' },
  {
    type: 58,
    mnemonic: 'TALINK',
    rdata: [exactName('previous'), exactName('next')],
    rfc: 'trust anchor history draft',
  },
  { type: 59, mnemonic: 'CDS', rdata: ds, rfc: 7344, inPacket: 'buffer' },
  { type: 60, mnemonic: 'CDNSKEY', rdata: key, rfc: 7344, inPacket: 'buffer' },
  { type: 61, mnemonic: 'OPENPGPKEY', rdata: [restBase64('')], rfc: 7929 },
  { type: 62, mnemonic: 'CSYNC', rdata: [u32('serial'), u16('flags'), typeBitmap('rrtypes')], rfc: 7477 },
  { type: 63, mnemonic: 'ZONEMD', rdata: [u32('serial'), u8('scheme'), u8('algorithm'), restHex('digest')], rfc: 8976 },
  { type: 64, mnemonic: 'SVCB', rdata: service, rfc: 9460 },
  { type: 65, mnemonic: 'HTTPS', rdata: service, rfc: 9460 },
  {
    type: 66,
    mnemonic: 'DSYNC',
    rdata: [rrType('type'), dsyncScheme('scheme'), u16('port'), exactName('target')],
    rfc: 9859,
  },
  { type: 67, mnemonic: 'HHIT', rdata: [restBase64('')], rfc: 9886 },
  { type: 68, mnemonic: 'BRID', rdata: [restBase64('')], rfc: 9886 },
  { type: 99, mnemonic: 'SPF', rdata: [charStrings('')], rfc: 7208 },
  { type: 100, mnemonic: 'UINFO', rfc: 'reserved by IANA' },
  { type: 101, mnemonic: 'UID', rfc: 'reserved by IANA' },
  { type: 102, mnemonic: 'GID', rfc: 'reserved by IANA' },
  { type: 103, mnemonic: 'UNSPEC', rfc: 'reserved by IANA' },
  { type: 104, mnemonic: 'NID', rdata: [u16('preference'), ilnp64('nodeId')], rfc: 6742 },
  { type: 105, mnemonic: 'L32', rdata: [u16('preference'), ipv4('locator')], rfc: 6742 },
  { type: 106, mnemonic: 'L64', rdata: [u16('preference'), ilnp64('locator')], rfc: 6742 },
  { type: 107, mnemonic: 'LP', rdata: [u16('preference'), exactName('fqdn')], rfc: 6742 },
  { type: 108, mnemonic: 'EUI48', rdata: [eui48('')], rfc: 7043 },
  { type: 109, mnemonic: 'EUI64', rdata: [eui64('')], rfc: 7043 },
  { type: 128, mnemonic: 'NXNAME', rfc: 9824 },
  {
    type: 249,
    mnemonic: 'TKEY',
    rdata: [
      exactName('algorithm'),
      moment('inception'),
      moment('expiration'),
      u16('mode'),
      tsigError('error'),
      sizedBase64('key'),
      sizedBase64('other'),
    ],
    rfc: 2930,
    inPacket: 'buffer',
  },
  {
    type: 250,
    mnemonic: 'TSIG',
    rdata: [
      exactName('algorithm'),
      u48('timeSigned'),
      u16('fudge'),
      sizedBase64('mac'),
      u16('originalId'),
      tsigError('error'),
      sizedBase64('other'),
    ],
    rfc: 8945,
    inPacket: 'buffer',
  },
  {
    type: 256,
    mnemonic: 'URI',
    rdata: [u16('priority'), u16('weight'), restText('target')],
    rfc: 7553,
    inPacket: 'buffer',
  },
  { type: 257, mnemonic: 'CAA', rdata: [criticalFlags('flags'), tag('tag'), restText('value')], rfc: 8659 },
  { type: 258, mnemonic: 'AVC', rdata: [charStrings('')], rfc: 'Cisco DNS-AVC' },
  {
    type: 259,
    mnemonic: 'DOA',
    rdata: [u32('enterprise'), u32('doaType'), u8('location'), charString('mediaType'), restBase64('data', '-')],
    rfc: 'DOA over DNS draft',
  },
  { type: 260, mnemonic: 'AMTRELAY', rdata: [amtRelay()], rfc: 8777 },
  { type: 261, mnemonic: 'RESINFO', rdata: [charStrings('')], rfc: 9606 },
  { type: 262, mnemonic: 'WALLET', rdata: [charStrings('')], rfc: 'IANA registration by P. Hoffman, 2024' },
  { type: 263, mnemonic: 'CLA', rdata: [charStrings('')], rfc: 'BP convergence layer adapter registration' },
  { type: 264, mnemonic: 'IPN', rdata: [u64('')], rfc: 'BP node number registration' },
  { type: 32768, mnemonic: 'TA', rdata: ds, rfc: 'trust anchor registration', inPacket: 'buffer' },
  { type: 32769, mnemonic: 'DLV', rdata: ds, rfc: 4431, inPacket: 'buffer' },
]
