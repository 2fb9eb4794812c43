/**
 * Lines on their way to standard output, one writer per thread and file descriptor.
 *
 *   reserve(sizeMax) ─► the caller writes octets into `buffer` ─► commit(end)
 *   line(text)       ─► the same for a whole line, and written at once unless lines come in crowds
 *
 *   pipe, socket   written on this thread with a descriptor that never blocks; what doesn't fit stays in the buffer and
 *                  is tried again after RETRY_MS. Chunks end at a line's end and are no longer than PIPE_BUF, so that
 *                  lines of several processes on one pipe don't run into each other.
 *   file, terminal written by libuv's thread pool, one write at a time, while the other of two buffers fills.
 *
 * Memory is fixed: a line that finds no room is dropped and counted. A reader that stalls costs log lines, never a query.
 */
import { fstatSync, write, writeSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'

/** Octets of lines that wait to be written, for each of the (at most two) buffers of a writer. */
export const LINES_SIZE_MAX = 256 * 1024
/** Lines wait at most this long for company before they are written. */
export const FLUSH_DELAY_MS = 10
/** A full pipe is tried again after this time. */
const RETRY_MS = 10
/** POSIX: a write of up to this many octets to a pipe is not interleaved with another process's. 4096 on Linux. */
const PIPE_BUF = 4096
/** Writes to a file are collected up to this size. */
const FILE_CHUNK_SIZE = 64 * 1024
/** How long the end of the process may wait for a reader. */
const EXIT_WAIT_MS_MAX = 100

const NEWLINE = 10

export class LineWriter {
  /** Where the caller of `reserve` writes. Changes with a flush: read it again after every `reserve`. */
  buffer: Buffer = Buffer.allocUnsafeSlow(LINES_SIZE_MAX)
  /** Lines dropped because the output was not written fast enough, or could not be written at all. */
  dropped = 0
  #spare: Buffer | undefined
  #from = 0
  #end = 0
  #writing: Buffer | undefined
  #writingFrom = 0
  #writingEnd = 0
  #blocked = false
  #timer: NodeJS.Timeout | undefined
  readonly #fd: number
  readonly #nonBlocking: boolean
  readonly #flushSize: number

  constructor(fd: number, kind: 'nonblocking' | 'threaded') {
    this.#fd = fd
    this.#nonBlocking = kind === 'nonblocking'
    this.#flushSize = this.#nonBlocking ? PIPE_BUF : FILE_CHUNK_SIZE
    if (!this.#nonBlocking) this.#spare = Buffer.allocUnsafeSlow(LINES_SIZE_MAX)
  }

  /** Where in `buffer` up to `sizeMax` octets may be written, or -1: there is no room, and a line was counted as dropped. */
  reserve(sizeMax: number): number {
    if (this.#end + sizeMax <= LINES_SIZE_MAX) return this.#end
    this.#makeRoom()
    if (this.#end + sizeMax <= LINES_SIZE_MAX) return this.#end
    this.dropped++
    return -1
  }

  /** The reserved place holds a line, newline included, that ends before `end`. */
  commit(end: number): void {
    this.#end = end
    if (end - this.#from >= this.#flushSize) this.flush()
    else this.#arm()
  }

  /** Writes one line: at once, or with others where one was written less than FLUSH_DELAY_MS ago. The text has no newline. */
  line(text: string): void {
    const at = this.reserve(3 * text.length + 1)
    if (at < 0) return
    const size = this.buffer.write(text, at)
    this.buffer[at + size] = NEWLINE
    this.#end = at + size + 1
    if (this.#armed && this.#end - this.#from < this.#flushSize) return
    this.flush()
    this.#startTimer()
  }

  /** Hands everything to the output that it takes without waiting. */
  flush(): void {
    if (this.#nonBlocking) {
      if (!this.#blocked) this.#writeChunks()
    } else this.#startWrite()
    this.#arm()
  }

  /** Writes what is left, waiting at most EXIT_WAIT_MS_MAX for a full pipe: for the end of the process. */
  finish(): void {
    const until = performance.now() + EXIT_WAIT_MS_MAX
    if (this.#writing !== undefined) {
      // The thread pool's write never gets to report; its octets may be half written, which only a full disk does.
      this.#writing = undefined
    }
    while (this.#from < this.#end) {
      this.#blocked = false
      this.#writeChunks()
      if (!this.#blocked || performance.now() > until) break
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
    }
  }

  #makeRoom(): void {
    this.flush()
    if (this.#from === 0) return
    this.buffer.copyWithin(0, this.#from, this.#end)
    this.#end -= this.#from
    this.#from = 0
  }

  #arm(): void {
    if (this.#end !== this.#from) this.#startTimer()
  }

  #startTimer(): void {
    if (this.#timer === undefined) {
      this.#timer = setTimeout(() => this.#onTimer(), this.#blocked ? RETRY_MS : FLUSH_DELAY_MS)
      this.#timer.unref()
    } else if (!this.#armed) this.#timer.refresh()
    this.#armed = true
  }

  #armed = false

  #onTimer(): void {
    this.#armed = false
    this.#blocked = false
    if (this.#end === this.#from) return
    this.flush()
    this.#startTimer()
  }

  /** Writes lines until none are left or the output is full. */
  #writeChunks(): void {
    const { buffer } = this
    while (this.#from < this.#end) {
      let end = this.#end
      if (end - this.#from > PIPE_BUF) {
        const last = buffer.lastIndexOf(NEWLINE, this.#from + PIPE_BUF - 1)
        end = (last >= this.#from ? last : buffer.indexOf(NEWLINE, this.#from)) + 1
      }
      try {
        this.#from += writeSync(this.#fd, buffer, this.#from, end - this.#from)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EAGAIN') {
          this.#blocked = true
          return
        }
        this.#discard(buffer, this.#from, this.#end)
        this.#from = this.#end
      }
    }
    this.#from = 0
    this.#end = 0
  }

  #startWrite(): void {
    if (this.#writing !== undefined || this.#from === this.#end) return
    this.#writing = this.buffer
    this.#writingFrom = this.#from
    this.#writingEnd = this.#end
    this.buffer = this.#spare!
    this.#spare = undefined
    this.#from = 0
    this.#end = 0
    this.#continueWrite()
  }

  #continueWrite(): void {
    const writing = this.#writing!
    write(this.#fd, writing, this.#writingFrom, this.#writingEnd - this.#writingFrom, null, (error, written) => {
      if (error === null) this.#writingFrom += written
      else if (error.code === 'EAGAIN') {
        setTimeout(() => this.#continueWrite(), RETRY_MS).unref()
        return
      } else {
        this.#discard(writing, this.#writingFrom, this.#writingEnd)
        this.#writingFrom = this.#writingEnd
      }
      if (this.#writingFrom < this.#writingEnd) {
        this.#continueWrite()
        return
      }
      this.#writing = undefined
      this.#spare = writing
      if (this.#end - this.#from >= this.#flushSize) this.#startWrite()
    })
  }

  #discard(buffer: Buffer, from: number, end: number): void {
    for (let at = from; at < end; at++) if (buffer[at] === NEWLINE) this.dropped++
  }
}

let standard: LineWriter | undefined

/** This thread's writer on standard output. */
export function standardOutput(): LineWriter {
  if (standard === undefined) {
    const writer = new LineWriter(1, outputKind())
    process.on('exit', () => writer.finish())
    standard = writer
  }
  return standard
}

function outputKind(): 'nonblocking' | 'threaded' {
  try {
    const stats = fstatSync(1)
    if (stats.isFIFO() || stats.isSocket()) {
      // Making the stream object sets O_NONBLOCK on the open file, which all threads and processes of the server share.
      if (isMainThread) void process.stdout
      return 'nonblocking'
    }
  } catch {
    // Standard output is closed: every write fails and is counted.
  }
  return 'threaded'
}
