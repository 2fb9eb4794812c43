/** Reads a zone version back as operations: for processes that start late, for zone transfers, for audits. */
import { BATCH_SIZE, BatchWriter } from './change-batch.ts'
import { trieValues } from './hash-trie.ts'
import {
  copyOwner,
  copyRdata,
  firstRRset,
  NODE_OCTETS_MASK,
  nextRdata,
  nextRRset,
  RRSET_TTL,
  rdatasAt,
  recordCount,
  rrsetCount,
  signatureCount,
  unpackOctets,
} from './node.ts'
import { NSEC3_KEY_WORDS, ORDER_KEY_WORDS_MAX, writeOrderKey } from './order-key.ts'
import { orderKeys } from './order-tree.ts'
import { TYPE_RRSIG, TYPE_SOA } from './types.ts'
import { apexOctets, ZONE_APEX, ZONE_APEX_NODE, ZONE_NAMES, ZONE_NODE_COUNT, ZONE_NSEC3 } from './zone-block.ts'
import type { ChangeBatch } from './zone-change.ts'

/** All nodes of a zone version that have RRsets, the apex first, the others in no order that means anything. */
function* allNodes(words: Int32Array, zone: number): Generator<number> {
  yield words[zone + ZONE_APEX_NODE]!
  yield* trieValues(words, words[zone + ZONE_NAMES]!)
  for (const key of orderKeys(words, words[zone + ZONE_NSEC3]!)) yield words[key + 1 + NSEC3_KEY_WORDS]!
}

/**
 * All nodes in canonical order (RFC 4034 section 6.1). Sorts first: about a second for a million names, during which
 * the thread does nothing else.
 */
function* nodesInOrder(words: Int32Array, zone: number): Generator<number> {
  const nodes: number[] = []
  const starts: number[] = []
  let keys = new Int32Array(words[zone + ZONE_NODE_COUNT]! * 8 + ORDER_KEY_WORDS_MAX)
  let used = 0
  const owner = new Uint8Array(256)
  const labels = new Uint8Array(128)
  const key = new Int32Array(ORDER_KEY_WORDS_MAX)
  for (const node of allNodes(words, zone)) {
    const octets = copyOwner(words, node, owner, 0)
    let count = 0
    for (let at = 0; at < octets; at += owner[at]! + 1) labels[count++] = at
    const length = writeOrderKey(owner, labels, 0, count, key)
    if (used + length > keys.length) {
      const larger = new Int32Array(keys.length * 2)
      larger.set(keys)
      keys = larger
    }
    nodes.push(node)
    starts.push(used)
    keys.set(key.subarray(0, length), used)
    used += length
  }
  starts.push(used)
  const order = Uint32Array.from(nodes.keys()).sort((a, b) => {
    let x = starts[a]!
    let y = starts[b]!
    const xEnd = starts[a + 1]!
    const yEnd = starts[b + 1]!
    for (; x < xEnd && y < yEnd; x++, y++) if (keys[x] !== keys[y]) return (keys[x]! >>> 0) - (keys[y]! >>> 0)
    return xEnd - x - (yEnd - y)
  })
  for (const index of order) yield nodes[index]!
}

/** The zone's records in batches: in canonical order with the SOA before all else, or (faster) in any order. */
export function* zoneBatches(words: Int32Array, zone: number, order: 'canonical' | 'any'): Generator<ChangeBatch> {
  const batch = new BatchWriter()
  const apex = new Uint8Array(apexOctets(words, zone))
  unpackOctets(words, zone + ZONE_APEX, apex.length, apex, 0)
  for (const node of order === 'canonical' ? nodesInOrder(words, zone) : allNodes(words, zone)) {
    putNode(batch, words, node, apex)
    if (batch.length >= BATCH_SIZE) yield batch.take()
  }
  if (batch.length > 0) yield batch.take()
}

function putNode(batch: BatchWriter, words: Int32Array, node: number, apex: Uint8Array): void {
  const octets = words[node]! & NODE_OCTETS_MASK
  const owner = new Uint8Array(octets + apex.length)
  copyOwner(words, node, owner, 0)
  owner.set(apex, octets)
  const signatures: Uint8Array[] = []
  let signatureTtl = 0
  // The SOA first, wherever it came in: a zone transfer starts with it.
  for (const pass of ['SOA', 'others']) {
    let rrset = firstRRset(words, node)
    for (let left = rrsetCount(words, node); left > 0; left--) {
      const type = words[rrset]! & 0xffff
      if ((type === TYPE_SOA) === (pass === 'SOA')) {
        const rdatas: Uint8Array[] = []
        let rdata = rdatasAt(words, rrset, -1)
        const records = recordCount(words, rrset)
        for (let i = 0, count = records + signatureCount(words, rrset); i < count; i++) {
          const octetsOfRdata = new Uint8Array(words[rdata]! & 0xffff)
          copyRdata(words, rdata, octetsOfRdata.length, octetsOfRdata, 0)
          if (i < records) rdatas.push(octetsOfRdata)
          else signatures.push(octetsOfRdata)
          rdata = nextRdata(words, rdata)
        }
        if (signatures.length > 0) signatureTtl = words[rrset + RRSET_TTL]!
        if (records > 0) batch.put(owner, type, words[rrset + RRSET_TTL]! >>> 0, rdatas)
      }
      rrset = nextRRset(words, rrset)
    }
  }
  if (signatures.length > 0) batch.put(owner, TYPE_RRSIG, signatureTtl >>> 0, signatures)
}
