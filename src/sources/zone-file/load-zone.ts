/**
 * Loads one zone from its file into the record stores.
 *
 *   zone file ── slices of records ──► owner by owner ──► RRsets ──► one transaction, committed whole
 *
 * A zone is never held in memory as objects: what is kept is the owner being read. Where an RRset's records lie apart in
 * the file, the store tells so, and its owner's RRsets are collected in a second reading.
 */
import { readFile, stat } from 'node:fs'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import type { RecordSlice } from '../../rdata/text/record-slice.ts'
import {
  readZoneFile,
  readZoneText,
  type ZoneFileOptions,
  type ZoneFileProgress,
} from '../../rdata/zone-file/zone-file.ts'
import { equalNames, nameToText, textToName } from '../../wire/name.ts'
import { PackedRRset } from '../../zone/packed-rrset.ts'
import type { ZoneHandle, ZoneTransaction } from '../../zone/zone-change.ts'
import { OwnerRecords } from './owner-records.ts'

const TYPE_SOA = 6
/** Files up to this many octets are read whole, which takes one round trip to the file system instead of four. */
const WHOLE_SIZE_MAX = 64 * 1024
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
  /** Octets of the first file. */
  readonly size: number
}

// The promises' own functions take twice the time.
const statOf = promisify(stat)
const readWhole = promisify(readFile)

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
    for await (const slice of await slicesOf(path, before.size, reading)) {
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
    const scattered = await builder.scattered()
    if (scattered.size > 0) {
      const { onProgress: _progress, onWarning: _warning, ...quiet } = reading
      for await (const slice of await slicesOf(path, before.size, quiet)) builder.collect(slice, scattered)
      await builder.putCollected()
    }
    let stamp: FileStamp = before
    // What was read whole, and is as long as it was, was read at once.
    if (paths.length > 1 || !isReadWhole(before.size)) {
      stamp = await stampOf(paths)
      if (stamp.text.split(',', 1)[0] !== before.text) throw changedMeanwhile(path)
    }
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

/** A size of 0 is that of a pipe too. */
function isReadWhole(size: number): boolean {
  return size > 0 && size <= WHOLE_SIZE_MAX
}

async function slicesOf(path: string, size: number, options: ZoneFileOptions): Promise<AsyncIterable<RecordSlice>> {
  if (!isReadWhole(size)) return readZoneFile(path, options)
  options.onFile?.(resolve(path))
  const text = await readWhole(path)
  if (text.length !== size) throw changedMeanwhile(path)
  return readZoneText(text, { ...options, file: path })
}

function changedMeanwhile(path: string): ZoneLoadError {
  return new ZoneLoadError(`file "${path}" changed while it was read`)
}

async function stampOf(paths: readonly string[]): Promise<FileStamp> {
  const parts: string[] = []
  let first = 0n
  for (const path of paths) {
    const { mtimeNs, size, ino } = await statOf(path, { bigint: true })
    if (parts.length === 0) first = size
    parts.push(`${mtimeNs} ${size} ${ino}`)
  }
  return { paths: [...paths], text: parts.join(), size: Number(first) }
}

/** Gathers records into RRsets and hands them to a transaction. */
class ZoneBuilder {
  serial: number | undefined
  readonly #apex: Uint8Array
  readonly #path: string
  readonly #transaction: ZoneTransaction
  readonly #records = new OwnerRecords()
  readonly #rrset = new PackedRRset()
  readonly #collected = new Map<string, OwnerRecords>()
  #isOver = false

  constructor(zone: ZoneHandle, path: string) {
    this.#apex = textToName(zone.apex)
    this.#path = path
    this.#transaction = zone.replace()
  }

  async add(slice: RecordSlice): Promise<void> {
    const records = this.#records
    for (let i = 0; i < slice.count; i++) {
      if (!slice.isShared(i) && !records.isOwner(slice, i)) {
        if (!this.#put(records)) await this.#transaction.drained()
        records.start(slice, i)
      }
      if (slice.types[i] === TYPE_SOA) this.#noteSoa(slice, i)
      records.add(slice, i)
    }
  }

  async flush(): Promise<void> {
    if (!this.#put(this.#records)) await this.#transaction.drained()
  }

  /** Owners (octets as latin1) with an RRset that was put in more than one part. */
  scattered(): Promise<ReadonlySet<string>> {
    return this.#transaction.repeated()
  }

  /** Takes from a second reading what belongs to scattered owners. */
  collect(slice: RecordSlice, scattered: ReadonlySet<string>): void {
    const octets = Buffer.from(slice.bytes.buffer, slice.bytes.byteOffset, slice.out.length)
    let records: OwnerRecords | undefined
    let key = ''
    for (let i = 0; i < slice.count; i++) {
      const at = slice.ownerAts[i]!
      key = octets.toString('latin1', at, at + slice.ownerSizes[i]!)
      if (!scattered.has(key)) continue
      records = this.#collected.get(key)
      if (records === undefined) {
        records = new OwnerRecords()
        records.start(slice, i)
        this.#collected.set(key, records)
      }
      records.add(slice, i)
    }
  }

  async putCollected(): Promise<void> {
    for (const records of this.#collected.values()) if (!this.#put(records)) await this.#transaction.drained()
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
    if (this.serial !== undefined || !equalNames(slice.bytes, slice.ownerAts[index]!, this.#apex, 0)) return
    const rdata = slice.rdata(index)
    const at = rdata.length - 20
    this.serial = ((rdata[at]! << 24) | (rdata[at + 1]! << 16) | (rdata[at + 2]! << 8) | rdata[at + 3]!) >>> 0
  }

  /** Puts all RRsets of an owner. Returns false when the transaction asks to wait. */
  #put(records: OwnerRecords): boolean {
    let goesOn = true
    while (records.takeRRset(this.#rrset)) {
      try {
        goesOn = this.#transaction.putPacked(this.#rrset) && goesOn
      } catch (error) {
        const owner = nameToText(this.#rrset.bytes, this.#rrset.ownerAt)
        throw new ZoneLoadError(`file "${this.#path}": ${owner}: ${(error as Error).message}`)
      }
    }
    return goesOn
  }
}
