/**
 * Loads one zone from its file into the record stores.
 *
 *   zone file ── slices of records ──► owner by owner ──► RRsets ──► one transaction, committed whole
 *
 * A zone is never held in memory as objects: what is kept is the owner being read. Where an RRset's records lie apart in
 * the file, the store tells so, and its owner's RRsets are collected in a second reading.
 */
import { closeSync, constants, fstatSync, openSync, readFile, readSync, type Stats, stat } from 'node:fs'
import { promisify } from 'node:util'
import type { RecordSlice } from '../../rdata/text/record-slice.ts'
import {
  isPlainZoneText,
  readZoneFile,
  readZoneText,
  scanZoneText,
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
/** Whoever made a pipe of the file may never write into it. */
const OPEN_NOW = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)
/** Files that a zone's file includes, itself counted, that are watched for changes. */
const FILES_WATCHED_MAX = 1000

export interface LoadOptions {
  /** Don't load a zone whose SOA has this serial: it is the one that is served. */
  readonly unlessSerial?: number | undefined
  readonly onProgress?: (progress: ZoneFileProgress) => void
  readonly onWarning?: ZoneFileOptions['onWarning']
  /** Asked for by what can be stopped half way: a signal takes longer to make than a small zone to read. */
  readonly signal?: () => AbortSignal
  /** A small file is read at once, with the thread waiting for the disk: a quarter of the time, for when there are thousands. */
  readonly blocking?: boolean
  /** Called when all has been read and published but for the commit. */
  readonly onRead?: (() => void) | undefined
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

/**
 * Reads `path` and publishes it as the zone. Throws or rejects, with nothing changed, when it can't be read whole. A promise only
 * where reading or publishing has to wait.
 */
export function loadZone(path: string, zone: ZoneHandle, options: LoadOptions = {}): Loaded | Promise<Loaded> {
  const now = options.blocking === true ? readSmallNow(path) : undefined
  if (now !== undefined && isPlainZoneText(now.text)) return loadPlain(path, now.text, now.stamp, zone, options)
  return loadSlowly(path, zone, options)
}

/** A small file that was read whole, and names no others. */
function loadPlain(
  path: string,
  text: Buffer,
  stamp: FileStamp,
  zone: ZoneHandle,
  options: LoadOptions,
): Loaded | Promise<Loaded> {
  const { onWarning } = options
  const builder = new ZoneBuilder(zone, path)
  try {
    scanZoneText(text, { zone: zone.apex, file: path, onWarning }, (slice) => builder.add(slice))
    if (builder.serial !== undefined && builder.serial === options.unlessSerial) return unchanged(builder, stamp)
    const goesOn = builder.flush()
    const loaded: Loaded = { outcome: 'loaded', serial: serialOf(builder, path, zone), stamp }
    const scattered = goesOn ? builder.scattered() : undefined
    if (scattered === undefined || scattered instanceof Promise || scattered.size > 0)
      return commitLater(builder, path, loaded, options)
    options.onRead?.()
    return builder.commit()?.then(() => loaded) ?? loaded
  } catch (error) {
    builder.abort()
    throw error
  }
}

async function commitLater(builder: ZoneBuilder, path: string, loaded: Loaded, options: LoadOptions): Promise<Loaded> {
  try {
    await builder.drained()
    await putScattered(builder, path, loaded.stamp.size, options)
    options.onRead?.()
    await builder.commit()
    return loaded
  } catch (error) {
    builder.abort()
    throw error
  }
}

async function loadSlowly(path: string, zone: ZoneHandle, options: LoadOptions): Promise<Loaded> {
  const before = await stampOf([path])
  const text = isReadWhole(before.size) ? await readSmall(path, before.size) : undefined
  if (text !== undefined && isPlainZoneText(text)) return loadPlain(path, text, before, zone, options)
  const { onProgress, onWarning } = options
  const builder = new ZoneBuilder(zone, path)
  try {
    const paths = text === undefined ? [] : [path]
    // An included file makes paths known only as it is read, so changes in between are found out by the second stamp.
    const onFile = (file: string): void => {
      if (paths.length < FILES_WATCHED_MAX && !paths.includes(file)) paths.push(file)
    }
    const signal = options.signal?.()
    for await (const slice of slicesOf(path, text, { zone: zone.apex, onFile, onProgress, onWarning, signal })) {
      if (!builder.add(slice)) await builder.drained()
      // The files it includes are not all known, and needn't be: they change with the serial or not at all.
      if (options.unlessSerial !== undefined && builder.serial === options.unlessSerial)
        return unchanged(builder, before)
    }
    if (!builder.flush()) await builder.drained()
    const serial = serialOf(builder, path, zone)
    await putScattered(builder, path, text === undefined ? undefined : before.size, options)
    let stamp: FileStamp = before
    // What was read whole, and is as long as it was, was read at once.
    if (paths.length > 1 || text === undefined) {
      stamp = await stampOf(paths)
      if (stamp.text.split(',', 1)[0] !== before.text) throw changedMeanwhile(path)
    }
    options.onRead?.()
    await builder.commit()
    return { outcome: 'loaded', serial, stamp }
  } catch (error) {
    builder.abort()
    throw error
  }
}

function unchanged(builder: ZoneBuilder, stamp: FileStamp): Loaded {
  builder.abort()
  return { outcome: 'unchanged', serial: builder.serial!, stamp }
}

function serialOf({ serial }: ZoneBuilder, path: string, { apex }: ZoneHandle): number {
  if (serial === undefined) throw new ZoneLoadError(`file "${path}" has no SOA record for origin ${apex}`)
  return serial
}

/** Where records of an RRset lie apart the file is read a second time. `size`: of one that is read whole. */
async function putScattered(
  builder: ZoneBuilder,
  path: string,
  size: number | undefined,
  { signal }: LoadOptions,
): Promise<void> {
  const scattered = await builder.scattered()
  if (scattered.size === 0) return
  const again = size === undefined ? undefined : await readSmall(path, size)
  for await (const slice of slicesOf(path, again, { zone: builder.apex, signal: signal?.() }))
    builder.collect(slice, scattered)
  await builder.putCollected()
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

/** `text`: of the file, where it was read whole. */
function slicesOf(path: string, text: Buffer | undefined, options: ZoneFileOptions): AsyncIterable<RecordSlice> {
  return text === undefined ? readZoneFile(path, options) : readZoneText(text, { ...options, file: path })
}

async function readSmall(path: string, size: number): Promise<Buffer> {
  const text = await readWhole(path)
  if (text.length !== size) throw changedMeanwhile(path)
  return text
}

/** What `readSmallNow` read last. One octet more than it takes, so that a file that has grown is found out. */
const smallText = Buffer.alloc(WHOLE_SIZE_MAX + 1)

/** The text is good until the next call. Undefined where the file isn't a small one that can be read: who reads it another way finds out why. */
function readSmallNow(path: string): { readonly text: Buffer; readonly stamp: FileStamp } | undefined {
  let file: number | undefined
  try {
    file = openSync(path, OPEN_NOW)
    const stats = fstatSync(file)
    const { size } = stats
    if (!stats.isFile() || !isReadWhole(size) || readSync(file, smallText) !== size) return undefined
    return { text: smallText.subarray(0, size), stamp: { paths: [path], text: stampText(stats), size } }
  } catch {
    return undefined
  } finally {
    if (file !== undefined) closeSync(file)
  }
}

function changedMeanwhile(path: string): ZoneLoadError {
  return new ZoneLoadError(`file "${path}" changed while it was read`)
}

async function stampOf(paths: readonly string[]): Promise<FileStamp> {
  const parts: string[] = []
  let first = 0
  for (const path of paths) {
    const stats = await statOf(path)
    if (parts.length === 0) first = stats.size
    parts.push(stampText(stats))
  }
  return { paths: [...paths], text: parts.join(), size: first }
}

/** The time is exact to half a microsecond, file systems' clocks to some milliseconds. */
function stampText({ mtimeMs, size, ino }: Stats): string {
  // One string: a template would keep its parts.
  return [mtimeMs, size, ino].join(' ')
}

/** What a builder works with; one that is done leaves it to the next. */
class Scratch {
  readonly records = new OwnerRecords()
  readonly rrset = new PackedRRset()
}

const spareScratch: Scratch[] = []
const SPARE_SCRATCH_MAX = 4

/** Gathers records into RRsets and hands them to a transaction. */
class ZoneBuilder {
  serial: number | undefined
  readonly apex: string
  readonly #apex: Uint8Array
  readonly #path: string
  readonly #transaction: ZoneTransaction
  readonly #scratch = spareScratch.pop() ?? new Scratch()
  readonly #records = this.#scratch.records
  readonly #rrset = this.#scratch.rrset
  #collected: Map<string, OwnerRecords> | undefined
  #isOver = false

  constructor(zone: ZoneHandle, path: string) {
    this.apex = zone.apex
    this.#apex = textToName(zone.apex)
    this.#path = path
    this.#transaction = zone.replace()
  }

  /** Returns false when the caller should await `drained()` before the next one. */
  add(slice: RecordSlice): boolean {
    const records = this.#records
    let goesOn = true
    for (let i = 0; i < slice.count; i++) {
      if (!slice.isShared(i) && !records.isOwner(slice, i)) {
        goesOn = this.#put(records)
        records.start(slice, i)
      }
      if (slice.types[i] === TYPE_SOA) this.#noteSoa(slice, i)
      records.add(slice, i)
    }
    return goesOn
  }

  /** Behind the last slice. Returns what `add` returns. */
  flush(): boolean {
    return this.#put(this.#records)
  }

  drained(): Promise<void> {
    return this.#transaction.drained()
  }

  /** Owners (octets as latin1) with an RRset that was put in more than one part. */
  scattered(): ReadonlySet<string> | Promise<ReadonlySet<string>> {
    return this.#transaction.repeated()
  }

  /** Takes from a second reading what belongs to scattered owners. */
  collect(slice: RecordSlice, scattered: ReadonlySet<string>): void {
    this.#collected ??= new Map()
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
    for (const records of this.#collected?.values() ?? []) if (!this.#put(records)) await this.drained()
    this.#collected = undefined
  }

  commit(): void | Promise<void> {
    this.#end()
    return this.#transaction.commit()
  }

  abort(): void {
    if (this.#isOver) return
    this.#end()
    this.#transaction.abort()
  }

  /** Nothing is put any more. */
  #end(): void {
    this.#isOver = true
    this.#records.clear()
    if (spareScratch.length < SPARE_SCRATCH_MAX) spareScratch.push(this.#scratch)
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
