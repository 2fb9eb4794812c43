/**
 * `snapshot FILE`: what is known of the cluster, kept on disk, so that a server that starts while the API server is away has something
 * to answer with. Lines of JSON:
 *
 *   {"form":1,"for":"…","asOfMs":…}     what the texts are like, whom they are for, when they were right
 *   ["service","default","web","…"]     an object (SavedObject)
 *   …
 *   {"objects":…,"sha256":"…"}          of all that is before this line
 *
 * Written beside and renamed, so that the file is always a whole one; read twice, first for its sum.
 */
import { createHash } from 'node:crypto'
import { open, rename, rm } from 'node:fs/promises'
import { JsonLines } from './api/json-lines.ts'
import { SAVED_FORM, type SavedObject } from './model/cluster-model.ts'
import { TimeSlice } from './publish/time-slice.ts'

const WRITE_SIZE = 64 * 1024
const READ_SIZE = 64 * 1024
/** It holds what the API server lets only its accounts see. */
const MODE = 0o600

interface Head {
  readonly form: number
  readonly for: string
  readonly asOfMs: number
}

interface End {
  readonly objects: number
  readonly sha256: string
}

/** Replaces the file. `whose`: only a reader with the same word takes it. */
export async function writeSnapshot(
  path: string,
  whose: string,
  asOfMs: number,
  objects: Iterable<SavedObject>,
): Promise<void> {
  const beside = `${path}.new`
  const file = await open(beside, 'w', MODE)
  try {
    const hash = createHash('sha256')
    const slice = new TimeSlice()
    const head: Head = { form: SAVED_FORM, for: whose, asOfMs }
    let text = `${JSON.stringify(head)}\n`
    let count = 0
    const flush = async (): Promise<void> => {
      const octets = Buffer.from(text)
      text = ''
      hash.update(octets)
      await file.write(octets)
    }
    for (const object of objects) {
      text += `${JSON.stringify(object)}\n`
      count++
      if (text.length >= WRITE_SIZE) await flush()
      else await slice.pause()
    }
    await flush()
    const end: End = { objects: count, sha256: hash.digest('hex') }
    await file.write(`${JSON.stringify(end)}\n`)
    await file.sync()
  } catch (error) {
    await file.close()
    await rm(beside, { force: true })
    throw error
  }
  await file.close()
  await rename(beside, path)
}

/**
 * Hands every object of the file to `put`, once it is sure that the file is whole. Resolves with the moment at which it was right, milliseconds since
 * 1970. Rejects when there is none, it is damaged, or for somebody else.
 */
export async function readSnapshot(path: string, whose: string, put: (object: SavedObject) => void): Promise<number> {
  const head = await verify(path)
  if (head.form !== SAVED_FORM) throw new Error(`it has form ${head.form}, this server knows ${SAVED_FORM}`)
  if (head.for !== whose) throw new Error('it is for another API server, or other options')
  const slice = new TimeSlice()
  let line = 0
  const lines = new JsonLines((value) => {
    if (line++ > 0 && Array.isArray(value)) put(value as unknown as SavedObject)
  })
  for await (const chunk of chunksOf(path)) {
    lines.push(chunk)
    await slice.pause()
  }
  return head.asOfMs
}

/** The first line, if the last one's sum is right. */
async function verify(path: string): Promise<Head> {
  const hash = createHash('sha256')
  let head: Head | undefined
  let size = 0
  let objects = 0
  /** The last line that ended; it is summed when another follows. */
  let last: Buffer = Buffer.alloc(0)
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of chunksOf(path)) {
    size += chunk.length
    let from = 0
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
      hash.update(last)
      objects++
      last = Buffer.concat([rest, chunk.subarray(from, at + 1)])
      head ??= parse(last) as Head
      rest = Buffer.alloc(0)
      from = at + 1
    }
    rest = Buffer.concat([rest, chunk.subarray(from)])
  }
  const end = parse(last) as Partial<End>
  // Neither the first line nor the last is an object.
  const isWhole = rest.length === 0 && end.objects === objects - 2 && end.sha256 === hash.digest('hex')
  if (size === 0 || head === undefined || !isWhole) throw new Error('it is damaged')
  return head
}

const NEWLINE = 0x0a

function parse(line: Buffer): unknown {
  try {
    return JSON.parse(line.toString('utf8'))
  } catch {
    throw new Error('it is damaged')
  }
}

async function* chunksOf(path: string): AsyncGenerator<Buffer> {
  const file = await open(path, 'r')
  try {
    for (;;) {
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(READ_SIZE), 0, READ_SIZE)
      if (bytesRead === 0) return
      yield buffer.subarray(0, bytesRead)
    }
  } finally {
    await file.close()
  }
}
