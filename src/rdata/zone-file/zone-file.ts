/**
 * Reads master files (RFC 1035 section 5) of any size in slices, so that whoever shares the thread goes on working.
 *
 *   file ── chunks ──► Lexer ── tokens of an entry ──► directive: $ORIGIN $TTL $INCLUDE $GENERATE
 *                                                 └──► RecordScanner ── record ──► RecordSlice ──► for await
 *
 * An included file is read like one of its own: it starts with the includer's TTL and owner, and what it sets ends with
 * it (RFC 1035 section 5.1 says so for the origin). Names come lower-case in owners and as written in rdata.
 */
import { type FileHandle, open } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { assert } from '../../assert.ts'
import { isWithin, lowerCased, nameProblem, nameToText, scanName, textToName } from '../../wire/name.ts'
import { TooLargeError } from '../../wire/octet-writer.ts'
import { RdataError } from '../rdata-error.ts'
import { className } from '../rr-types.ts'
import {
  countLines,
  ENTRY_COMPLETE,
  ENTRY_UNFINISHED,
  LEX_NO_PAREN,
  LEX_NO_QUOTE,
  LEX_STRAY_PAREN,
  Lexer,
} from '../text/lexer.ts'
import { scanPeriod, TTL_MAX } from '../text/period.ts'
import { RecordScanner } from '../text/record-scanner.ts'
import { RecordSlice } from '../text/record-slice.ts'
import { QUOTED, TokenList } from '../text/token-list.ts'
import { Generate } from './generate.ts'
import { ZoneFileError, type ZoneFilePosition } from './zone-file-error.ts'

/** Files inside files, as in CoreDNS. */
export const INCLUDE_DEPTH_MAX = 7
/** Octets of one entry, comments and parentheses included. */
export const ENTRY_SIZE_MAX = 1024 * 1024
/** How long the thread is kept at a time. */
const SLICE_MS_MAX = 2
/** Entries between two looks at the clock. */
const ENTRIES_PER_CLOCK = 64
const CHUNK_SIZE = 256 * 1024
const PROGRESS_MS = 1000
const NEWLINE = 0x0a
const DOLLAR = 0x24
const NO_OCTETS = new Uint8Array(0)
const originInHand = new Uint8Array(256)

export interface ZoneFileProgress {
  /** Octets read, and octets there are, in all files opened so far. */
  readonly octets: number
  readonly octetsTotal: number
  readonly records: number
  readonly elapsedMs: number
}

export interface ZoneFileOptions {
  /** The zone's apex, as text: the first origin, and what records have to lie at or below. */
  readonly zone: string
  /** Class that the records have to have; IN by default. */
  readonly rrclass?: number
  /** TTL of records that have none where nothing else says one. Absent: an error, except for a SOA, which gets its MINIMUM. */
  readonly ttlSeconds?: number
  /**
   * Told of every error; the entry is left out and reading goes on, until `errorsMax` (100) were told. Absent: the first
   * one is thrown.
   */
  readonly onError?: (error: ZoneFileError) => void
  readonly errorsMax?: number
  /** Told of what is odd but can be used: records outside the zone (they are left out), a SOA without a TTL. */
  readonly onWarning?: ((warning: ZoneFileError) => void) | undefined
  /** Told once a second, from the first full second on. */
  readonly onProgress?: ((progress: ZoneFileProgress) => void) | undefined
  /** Told of every file before it is read, absolute path: what to watch for changes. */
  readonly onFile?: (path: string) => void
  /** Stops the reading; the iteration then throws its reason. */
  readonly signal?: AbortSignal | undefined
}

/** A file being read, or text that stands for one. */
interface Frame {
  /** As shown in messages. */
  readonly file: string
  readonly path: string | undefined
  readonly handle: FileHandle | undefined
  buffer: Uint8Array
  /** What is in the buffer and not read yet: `buffer[at .. end)`. */
  at: number
  end: number
  ended: boolean
  /** Octets of the file's size that were not read yet. */
  missing: number
  /** Line of `buffer[at]`. */
  line: number
  readonly records: RecordScanner
  generate: { readonly entries: Generate; readonly line: number } | undefined
}

/** In place of an entry's start: `$GENERATE` made the entry. */
const GENERATED = -1

/** What a reader works with. One that is done leaves it to the next: a small zone's records take less time than the memory for so many more. */
class Tools {
  readonly tokens = new TokenList()
  readonly lexer = new Lexer(this.tokens)
  readonly slice = new RecordSlice()
  readonly records = new RecordScanner()
}

const spareTools: Tools[] = []
const SPARE_TOOLS_MAX = 4

/** Reached `errorsMax`: reading ends here, quietly. */
const ENOUGH = Symbol('enough errors')

/**
 * The records of a zone file, in slices. A slice is valid until the next one is asked for. Throws ZoneFileError for what
 * can't be read as records, and the system's error when the file itself can't be opened or read.
 */
export async function* readZoneFile(path: string, options: ZoneFileOptions): AsyncGenerator<RecordSlice, void, void> {
  const reader = new ZoneFileReader(options)
  try {
    await reader.openFile(path, undefined)
    yield* reader.slices()
  } finally {
    await reader.close()
  }
}

/** Like readZoneFile, for text that is there already. `file`: how messages call it; includes are relative to it. */
export async function* readZoneText(
  text: string | Uint8Array,
  options: ZoneFileOptions & { readonly file?: string },
): AsyncGenerator<RecordSlice, void, void> {
  const reader = new ZoneFileReader(options)
  try {
    reader.openText(typeof text === 'string' ? Buffer.from(text, 'utf8') : text, options.file ?? 'zone')
    yield* reader.slices()
  } finally {
    await reader.close()
  }
}

/** Whether `scanZoneText` can read the text: nothing in it makes more of it than there is. */
export function isPlainZoneText(text: Buffer): boolean {
  for (let at = text.indexOf(DOLLAR); at >= 0; at = text.indexOf(DOLLAR, at + 1)) {
    const letter = text[at + 1]! | 0x20
    if (letter === 0x69 || letter === 0x67) return false
  }
  return true
}

/**
 * The records of a text that `isPlainZoneText` holds for, a slice at a time, without a pause: for small zones. `each` has the slice until it returns.
 * Throws what readZoneText throws.
 */
export function scanZoneText(
  text: Uint8Array,
  options: Omit<ZoneFileOptions, 'onProgress' | 'signal'> & { readonly file: string },
  each: (slice: RecordSlice) => void,
): void {
  const reader = new ZoneFileReader(options)
  try {
    reader.openText(text, options.file)
    reader.scanAll(each)
  } finally {
    reader.giveBack()
  }
}

class ZoneFileReader {
  readonly #options: ZoneFileOptions
  readonly #apex: Uint8Array
  readonly #rrclass: number
  readonly #frames: Frame[] = []
  readonly #tools = spareTools.pop() ?? new Tools()
  readonly #tokens = this.#tools.tokens
  readonly #lexer = this.#tools.lexer
  readonly #slice = this.#tools.slice
  #errors = 0
  #records = 0
  #octets = 0
  #octetsTotal = 0
  readonly #startedMs = performance.now()
  #toldMs = this.#startedMs

  constructor(options: ZoneFileOptions) {
    this.#options = options
    this.#rrclass = options.rrclass ?? 1
    this.#apex = lowerCased(textToName(options.zone))
  }

  async openFile(
    path: string,
    includer: { readonly frame: Frame; readonly origin: Uint8Array } | undefined,
  ): Promise<void> {
    const absolute = resolve(path)
    this.#options.onFile?.(absolute)
    const handle = await open(absolute, 'r')
    let size: number
    try {
      size = (await handle.stat()).size
      this.#octetsTotal += size
    } catch (error) {
      await handle.close()
      throw error
    }
    this.#frames.push({
      file: path,
      path: absolute,
      handle,
      // One octet more than a small file has, so that its end is seen with its last octet.
      buffer: new Uint8Array(Math.min(CHUNK_SIZE, size + 1)),
      at: 0,
      end: 0,
      ended: false,
      missing: size,
      line: 1,
      records: includer === undefined ? this.#firstScanner() : includer.frame.records.fork(includer.origin),
      generate: undefined,
    })
  }

  openText(text: Uint8Array, file: string): void {
    this.#octetsTotal += text.length
    this.#frames.push({
      file,
      path: file,
      handle: undefined,
      buffer: text,
      at: 0,
      end: text.length,
      ended: true,
      missing: 0,
      line: 1,
      records: this.#firstScanner(),
      generate: undefined,
    })
  }

  async close(): Promise<void> {
    this.giveBack()
    for (const { handle } of this.#frames.splice(0)) await handle?.close()
  }

  /** Gives up the tools, the slice among them: nobody may look at it any more. */
  giveBack(): void {
    this.#slice.clear()
    this.#tokens.reset(NO_OCTETS)
    if (spareTools.length < SPARE_TOOLS_MAX) spareTools.push(this.#tools)
  }

  /** All of one text, slice by slice. */
  scanAll(each: (slice: RecordSlice) => void): void {
    const slice = this.#slice
    const [frame] = this.#frames
    try {
      while (frame !== undefined && this.#hasEntry(frame)) {
        const include = this.#fill(frame, slice)
        assert(include === undefined && frame.generate === undefined, 'a text without $INCLUDE and $GENERATE')
        if (!slice.full) continue
        each(slice)
        slice.clear()
      }
    } catch (error) {
      if (error !== ENOUGH) throw error
    }
    if (slice.count > 0) each(slice)
  }

  #firstScanner(): RecordScanner {
    const { records } = this.#tools
    records.reset()
    records.origin = this.#apex
    records.rrclass = this.#rrclass
    records.fallbackTtl = this.#options.ttlSeconds ?? -1
    return records
  }

  async *slices(): AsyncGenerator<RecordSlice, void, void> {
    const { signal } = this.#options
    const slice = this.#slice
    try {
      while (this.#frames.length > 0) {
        signal?.throwIfAborted()
        const frame = this.#frames.at(-1)!
        const include = this.#fill(frame, slice)
        if (slice.count > 0 && (include === undefined || slice.full)) {
          this.#records += slice.count
          yield slice
          slice.clear()
        }
        if (include !== undefined) await this.#include(frame, include)
        else if (frame.generate === undefined && !this.#hasEntry(frame)) await this.#refill(frame)
        this.#tellProgress()
        await nextTurn()
      }
    } catch (error) {
      if (error !== ENOUGH) throw error
    }
    if (slice.count > 0) {
      this.#records += slice.count
      yield slice
    }
  }

  /** Whether the last look found octets that may hold another whole entry. */
  #hasEntry(frame: Frame): boolean {
    return frame.at < frame.end && !this.#starved
  }

  /** The entry at the buffer's end is cut off. */
  #starved = false

  /** Scans entries until the slice is full, time is up, octets are missing, or a file is to be included. */
  #fill(frame: Frame, slice: RecordSlice): IncludeRequest | undefined {
    const untilMs = performance.now() + SLICE_MS_MAX
    this.#starved = false
    for (let entries = 1; ; entries++) {
      if (slice.full || (entries % ENTRIES_PER_CLOCK === 0 && performance.now() >= untilMs)) return undefined
      if (frame.generate !== undefined) {
        this.#generateOne(frame, frame.generate, slice)
        continue
      }
      if (frame.at >= frame.end) {
        this.#starved = true
        return undefined
      }
      const outcome = this.#lexer.entry(frame.buffer, frame.at, frame.end, frame.ended)
      if (outcome === ENTRY_UNFINISHED) {
        this.#starved = true
        return undefined
      }
      const start = frame.at
      const request =
        outcome === ENTRY_COMPLETE ? this.#entry(frame, start, slice) : this.#lexError(frame, start, outcome)
      this.#octets += this.#lexer.at - start
      frame.line += this.#lexer.lines
      frame.at = this.#lexer.at
      if (request !== undefined) return request
    }
  }

  /** Handles the entry that was lexed: a record, or a directive. */
  #entry(frame: Frame, start: number, slice: RecordSlice): IncludeRequest | undefined {
    const tokens = this.#tokens
    if (tokens.count === 0) return undefined
    try {
      if (tokens.source[tokens.starts[0]!] === DOLLAR && !this.#lexer.blankOwner && tokens.kinds[0] !== QUOTED) {
        return this.#directive(frame, start)
      }
      if (!frame.records.scan(tokens, this.#lexer.blankOwner, slice)) return undefined
      this.#accept(slice, frame, start)
    } catch (error) {
      this.#report(error, (token) => this.#position(frame, start, token))
    }
    return undefined
  }

  /** Takes the last record back if it isn't the zone's. `start`: of its entry, or GENERATED. */
  #accept(slice: RecordSlice, frame: Frame, start: number): void {
    const index = slice.count - 1
    if (slice.classes[index] !== this.#rrclass) {
      const found = slice.classes[index]!
      frame.records.rrclass = this.#rrclass
      slice.dropLast()
      throw new RdataError(`class ${className(found)} in a zone of class ${className(this.#rrclass)}`, undefined, 0)
    }
    if (frame.records.tookMinimum) this.#warn(frame, start, 'no TTL is given: the SOA takes its MINIMUM', '$TTL 3600')
    if (slice.isShared(index)) return
    if (isWithin(slice.bytes, slice.ownerAts[index]!, slice.ownerSizes[index]!, this.#apex)) return
    const owner = nameToText(slice.owner(index), 0)
    slice.dropLast()
    this.#warn(frame, start, `${owner} is outside the zone ${nameToText(this.#apex, 0)}, and left out`)
  }

  #warn(frame: Frame, start: number, problem: string, hint?: string): void {
    this.#options.onWarning?.(new ZoneFileError(this.#position(frame, start, 0), problem, hint))
  }

  #directive(frame: Frame, start: number): IncludeRequest | undefined {
    const tokens = this.#tokens
    const { records } = frame
    const index = tokens.next++
    switch (tokens.text(index).toUpperCase()) {
      case '$ORIGIN':
        records.origin = this.#scanOrigin(records)
        break
      case '$TTL': {
        const at = tokens.take('a TTL')
        const ttl = scanPeriod(tokens.source, tokens.starts[at]!, tokens.ends[at]!)
        if (ttl < 0 || ttl > TTL_MAX)
          throw tokens.error(at, `is not a TTL, a number of seconds up to ${TTL_MAX}`, '$TTL 3600')
        records.defaultTtl = ttl
        break
      }
      case '$INCLUDE': {
        const at = tokens.take('a file')
        const path = unescapedPath(tokens, at)
        const origin = tokens.more ? this.#scanOrigin(records) : records.origin!
        this.#end()
        return { path, origin, at: this.#position(frame, start, at) }
      }
      case '$GENERATE':
        frame.generate = { entries: new Generate(tokens), line: frame.line }
        break
      default:
        throw tokens.error(index, 'is no directive: there are $ORIGIN, $TTL, $INCLUDE and $GENERATE', '$TTL 3600')
    }
    this.#end()
    return undefined
  }

  #scanOrigin(records: RecordScanner): Uint8Array {
    const tokens = this.#tokens
    const index = tokens.take('an origin')
    if (tokens.is(index, 0x40)) return records.origin!
    const out = originInHand
    const size = scanName(tokens.source, tokens.starts[index]!, tokens.ends[index]!, out, 0, records.origin)
    if (size < 0) throw tokens.error(index, `is not an origin: ${nameProblem(size)}`, '$ORIGIN example.org.')
    return out.slice(0, size)
  }

  #end(): void {
    const tokens = this.#tokens
    if (tokens.more) throw tokens.error(tokens.next, 'is too much: the directive ends before it')
  }

  #generateOne(
    frame: Frame,
    generate: { readonly entries: Generate; readonly line: number },
    slice: RecordSlice,
  ): void {
    if (generate.entries.done) {
      frame.generate = undefined
      return
    }
    try {
      const entry = generate.entries.next()
      if (this.#lexer.entry(entry, 0, entry.length, true) !== ENTRY_COMPLETE) {
        throw new RdataError('$GENERATE makes an entry that is no record')
      }
      frame.records.scan(this.#tokens, false, slice)
      this.#accept(slice, frame, GENERATED)
    } catch (error) {
      this.#report(error, (token) => this.#position(frame, GENERATED, token))
      // One is enough: the others will be wrong in the same way.
      frame.generate = undefined
    }
  }

  async #include(includer: Frame, { path, origin, at }: IncludeRequest): Promise<void> {
    try {
      if (this.#frames.length > INCLUDE_DEPTH_MAX)
        throw new RdataError(`$INCLUDE more than ${INCLUDE_DEPTH_MAX} files deep`)
      await this.openFile(resolve(dirname(includer.path ?? '.'), path), { frame: includer, origin })
    } catch (error) {
      const reason =
        error instanceof RdataError ? error.problem : `"${path}" can't be read: ${(error as Error).message}`
      this.#report(new RdataError(reason), () => at)
    }
  }

  /** Reads on, or drops a file that is at its end. */
  async #refill(frame: Frame): Promise<void> {
    if (frame.ended || frame.handle === undefined) {
      this.#frames.pop()
      await frame.handle?.close()
      return
    }
    const left = frame.end - frame.at
    if (left > ENTRY_SIZE_MAX) {
      this.#endless(frame, frame.at)
      frame.at = frame.end
      return
    }
    const buffer =
      left * 2 <= frame.buffer.length ? frame.buffer : new Uint8Array(Math.max(left * 2, CHUNK_SIZE) + CHUNK_SIZE)
    if (buffer === frame.buffer) buffer.copyWithin(0, frame.at, frame.end)
    else buffer.set(frame.buffer.subarray(frame.at, frame.end))
    frame.buffer = buffer
    frame.at = 0
    frame.end = left
    const asked = buffer.length - left
    const { bytesRead } = await frame.handle.read(buffer, left, asked, null)
    frame.end += bytesRead
    frame.missing -= bytesRead
    // A file that has become longer has another stamp; a pipe has no size.
    if (bytesRead === 0 || (bytesRead < asked && frame.missing === 0)) frame.ended = true
  }

  #lexError(frame: Frame, start: number, outcome: number): undefined {
    const last = this.#tokens.count - 1
    switch (outcome) {
      case LEX_NO_QUOTE:
        this.#report(new RdataError('a quote is not closed in its line'), () => this.#position(frame, start, last))
        return
      case LEX_STRAY_PAREN:
        this.#report(new RdataError('a closing parenthesis without an opening one'), () =>
          this.#position(frame, start, last),
        )
        return
      case LEX_NO_PAREN:
        this.#report(new RdataError('a parenthesis is not closed'), () =>
          this.#positionAt(frame, start, this.#lexer.openAt),
        )
        return
      default:
        this.#endless(frame, start)
    }
  }

  /** An entry that goes on and on: what follows can't be told apart from it, so the file ends here. */
  #endless(frame: Frame, start: number): void {
    this.#lexer.lines = countLines(frame.buffer, start, frame.end)
    this.#lexer.at = frame.end
    frame.ended = true
    this.#report(new RdataError('an entry that is too long: perhaps a parenthesis is not closed'), () =>
      this.#positionAt(frame, start, Math.max(start, this.#lexer.openAt)),
    )
  }

  /** Where a token of the entry at `start` is (the directive for GENERATED): the first for a negative one, the entry's end for one that isn't there. */
  #position(frame: Frame, start: number, token: number): ZoneFilePosition {
    if (start === GENERATED) return { file: frame.file, line: frame.generate!.line, column: 1 }
    const { count, starts, ends, kinds } = this.#tokens
    if (count === 0) return this.#positionAt(frame, start, start)
    if (token >= count) return this.#positionAt(frame, start, ends[count - 1]!)
    const index = Math.max(0, token)
    return this.#positionAt(frame, start, starts[index]! - (kinds[index] === QUOTED ? 1 : 0))
  }

  #positionAt({ buffer, file, line }: Frame, start: number, offset: number): ZoneFilePosition {
    const lineStart = offset === 0 ? 0 : buffer.lastIndexOf(NEWLINE, offset - 1) + 1
    return { file, line: line + countLines(buffer, start, offset), column: offset - lineStart + 1 }
  }

  #report(error: unknown, position: (token: number) => ZoneFilePosition): void {
    let problem: ZoneFileError
    if (error instanceof RdataError) problem = new ZoneFileError(position(error.token), error.problem, error.hint)
    else if (error instanceof TooLargeError) problem = new ZoneFileError(position(0), error.message)
    else throw error
    const { onError, errorsMax = 100 } = this.#options
    if (onError === undefined) throw problem
    onError(problem)
    if (++this.#errors >= errorsMax) throw ENOUGH
  }

  #tellProgress(): void {
    const { onProgress } = this.#options
    if (onProgress === undefined) return
    const now = performance.now()
    if (now - this.#toldMs < PROGRESS_MS) return
    this.#toldMs = now
    onProgress({
      octets: this.#octets,
      octetsTotal: this.#octetsTotal,
      records: this.#records,
      elapsedMs: now - this.#startedMs,
    })
  }
}

interface IncludeRequest {
  readonly path: string
  readonly origin: Uint8Array
  readonly at: ZoneFilePosition
}

function unescapedPath(tokens: TokenList, index: number): string {
  return tokens.text(index).replace(/\\(.)/g, '$1')
}
