/**
 * Loads one zone from its file into the record stores.
 *
 *   zone file ── slices of records ──► owner by owner ──► RRsets ──► one transaction, committed whole
 *
 * A zone is never held in memory as objects: what is kept is the owner being read, and a table of hashes of the owners
 * that are done. Where an owner comes back later in the file, its RRsets are collected in a second reading.
 */
import { stat } from 'node:fs/promises'
import type { RecordSlice } from '../../rdata/text/record-slice.ts'
import { readZoneFile, type ZoneFileOptions, type ZoneFileProgress } from '../../rdata/zone-file/zone-file.ts'
import { equalNames, nameToText, textToName } from '../../wire/name.ts'
import type { ZoneHandle, ZoneTransaction } from '../../zone/zone-change.ts'
import { HashSet } from './hash-set.ts'

const TYPE_SOA = 6
/** Files that a zone's file includes, itself counted, that are watched for changes. */
const FILES_WATCHED_MAX = 1000

export interface LoadOptions {
  /** Don't load a zone whose SOA has this serial: it is the one that is served. */
  readonly unlessSerial?: number
  readonly onProgress?: (progress: ZoneFileProgress) => void
  readonly onWarning?: ZoneFileOptions['onWarning']
  readonly signal?: AbortSignal
}

export interface Loaded {
  readonly outcome: 'loaded' | 'unchanged'
  readonly serial: number
  /** Of the file and those it includes, for `hasChanged`. */
  readonly stamp: FileStamp
}

/** What tells one state of a zone's files from another. */
export interface FileStamp {
  readonly paths: readonly string[]
  readonly text: string
}

/** A zone file that can be read but isn't a zone. */
export class ZoneLoadError extends Error {
  readonly code = 'SHOAL_ZONE_LOAD'
}

/** Reads `path` and publishes it as the zone. Rejects, with nothing changed, when it can't be read whole. */
export async function loadZone(path: string, zone: ZoneHandle, options: LoadOptions = {}): Promise<Loaded> {
  const paths: string[] = []
  const reading: ZoneFileOptions = {
    zone: zone.apex,
    onFile: (file) => {
      if (paths.length < FILES_WATCHED_MAX && !paths.includes(file)) paths.push(file)
    },
    // An included file makes paths known only as it is read, so changes in between are found out by the second stamp.
    ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
    ...(options.onWarning === undefined ? {} : { onWarning: options.onWarning }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  }
  const before = await stampOf([path])
  const builder = new ZoneBuilder(zone, path)
  try {
    for await (const slice of readZoneFile(path, reading)) {
      await builder.add(slice)
      if (options.unlessSerial !== undefined && builder.serial === options.unlessSerial) {
        builder.abort()
        // The files it includes are not all known, and needn't be: they change with the serial or not at all.
        return { outcome: 'unchanged', serial: builder.serial, stamp: before }
      }
    }
    await builder.flush()
    const { serial } = builder
    if (serial === undefined) throw new ZoneLoadError(`file "${path}" has no SOA record for origin ${zone.apex}`)
    if (builder.scattered.size > 0) {
      const { onProgress: _progress, onWarning: _warning, ...quiet } = reading
      for await (const slice of readZoneFile(path, quiet)) builder.collect(slice)
      await builder.putCollected()
    }
    const stamp = await stampOf(paths)
    if (stamp.text.split(',', 1)[0] !== before.text) throw new ZoneLoadError(`file "${path}" changed while it was read`)
    await builder.commit()
    return { outcome: 'loaded', serial, stamp }
  } catch (error) {
    builder.abort()
    throw error
  }
}

/** Whether the files are others than they were. A file that is gone counts as changed. */
export async function hasChanged(stamp: FileStamp): Promise<boolean> {
  try {
    return (await stampOf(stamp.paths)).text !== stamp.text
  } catch {
    return true
  }
}

async function stampOf(paths: readonly string[]): Promise<FileStamp> {
  const parts: string[] = []
  for (const path of paths) {
    const { mtimeNs, size, ino } = await stat(path, { bigint: true })
    parts.push(`${mtimeNs} ${size} ${ino}`)
  }
  return { paths: [...paths], text: parts.join() }
}

interface OwnerRRset {
  readonly type: number
  readonly ttlSeconds: number
  readonly rdatas: Uint8Array[]
}

/** Gathers records into RRsets and hands them to a transaction. */
class ZoneBuilder {
  serial: number | undefined
  /** Hashes of owners that come in more than one place. */
  readonly scattered = new Set<number>()
  readonly #apex: Uint8Array
  readonly #path: string
  readonly #transaction: ZoneTransaction
  readonly #done = new HashSet()
  #owner = new Uint8Array(0)
  #rrsets = new Map<number, OwnerRRset>()
  readonly #collected = new Map<string, { readonly owner: Uint8Array; readonly rrsets: Map<number, OwnerRRset> }>()
  #isOver = false

  constructor(zone: ZoneHandle, path: string) {
    this.#apex = textToName(zone.apex)
    this.#path = path
    this.#transaction = zone.replace()
  }

  async add(slice: RecordSlice): Promise<void> {
    for (let i = 0; i < slice.count; i++) {
      if (!isOwner(slice, i, this.#owner)) {
        if (!this.#flushOwner()) await this.#transaction.drained()
        this.#owner = slice.owner(i).slice()
      }
      if (slice.types[i] === TYPE_SOA) this.#noteSoa(slice, i)
      addRecord(this.#rrsets, slice, i)
    }
  }

  async flush(): Promise<void> {
    if (!this.#flushOwner()) await this.#transaction.drained()
  }

  /** Takes from a second reading what belongs to scattered owners. */
  collect(slice: RecordSlice): void {
    for (let i = 0; i < slice.count; i++) {
      const at = slice.ownerAts[i]!
      if (!this.scattered.has(hashOf(slice.bytes, at, at + slice.ownerSizes[i]!))) continue
      const owner = slice.owner(i).slice()
      const key = Buffer.from(owner).toString('latin1')
      let entry = this.#collected.get(key)
      if (entry === undefined) {
        entry = { owner, rrsets: new Map() }
        this.#collected.set(key, entry)
      }
      addRecord(entry.rrsets, slice, i)
    }
  }

  async putCollected(): Promise<void> {
    for (const { owner, rrsets } of this.#collected.values()) {
      if (!this.#put(owner, rrsets)) await this.#transaction.drained()
    }
    this.#collected.clear()
  }

  async commit(): Promise<void> {
    this.#isOver = true
    await this.#transaction.commit()
  }

  abort(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#transaction.abort()
  }

  #noteSoa(slice: RecordSlice, index: number): void {
    if (this.serial !== undefined || !equalNames(this.#owner, 0, this.#apex, 0)) return
    const rdata = slice.rdata(index)
    const at = rdata.length - 20
    this.serial = ((rdata[at]! << 24) | (rdata[at + 1]! << 16) | (rdata[at + 2]! << 8) | rdata[at + 3]!) >>> 0
  }

  /** Returns false when the transaction asks to wait. */
  #flushOwner(): boolean {
    if (this.#rrsets.size === 0) return true
    const hash = hashOf(this.#owner, 0, this.#owner.length)
    if (!this.#done.add(hash)) this.scattered.add(hash)
    const goesOn = this.#put(this.#owner, this.#rrsets)
    this.#rrsets.clear()
    return goesOn
  }

  #put(owner: Uint8Array, rrsets: ReadonlyMap<number, OwnerRRset>): boolean {
    let goesOn = true
    for (const { type, ttlSeconds, rdatas } of rrsets.values()) {
      try {
        goesOn = this.#transaction.put(owner, type, ttlSeconds, rdatas) && goesOn
      } catch (error) {
        throw new ZoneLoadError(`file "${this.#path}": ${nameToText(owner, 0)}: ${(error as Error).message}`)
      }
    }
    return goesOn
  }
}

/** Adds record `index` to its RRset. The first record's TTL counts for all (RFC 2181 section 5.2). */
function addRecord(rrsets: Map<number, OwnerRRset>, slice: RecordSlice, index: number): void {
  const type = slice.types[index]!
  const rdata = slice.rdata(index).slice()
  const known = rrsets.get(type)
  if (known === undefined) rrsets.set(type, { type, ttlSeconds: slice.ttls[index]!, rdatas: [rdata] })
  else known.rdatas.push(rdata)
}

function isOwner(slice: RecordSlice, index: number, owner: Uint8Array): boolean {
  const size = slice.ownerSizes[index]!
  if (size !== owner.length) return false
  const { bytes } = slice
  const at = slice.ownerAts[index]!
  for (let i = 0; i < size; i++) if (bytes[at + i] !== owner[i]) return false
  return true
}

function hashOf(bytes: Uint8Array, from: number, end: number): number {
  let hash = 0x811c9dc5
  for (let i = from; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193)
  hash ^= hash >>> 16
  hash = Math.imul(hash, 0x7feb352d)
  return hash ^ (hash >>> 15)
}
