/**
 * Zones kept equal to their files: loads them, looks again from time to time, says in the log what happened.
 *
 *   add(apex, path)   known; unavailable until loaded
 *   refresh()         one look at every file that is due
 *   remove(apex)      gone
 */
import { printGoDuration } from '../../corefile/go-duration.ts'
import type { Logger } from '../../observe/logger.ts'
import type { ZoneFileProgress } from '../../rdata/zone-file/zone-file.ts'
import type { ZonePublisher } from '../../zone/zone-change.ts'
import { type FileStamp, hasChanged, loadZone } from './load-zone.ts'

/** Files looked at and read at once, by all plugins of the process together: one that is read takes half a megabyte meanwhile. */
const AT_ONCE = 4
/** Zones that were read and wait until every process serves them, a few milliseconds: a small one's records are kept meanwhile. */
const COMMITTING_MAX = 512
/** How long small files are read one after another before others have the thread. */
const SLICE_MS = 3
let working = 0
let committing = 0
let whenCommitted: (() => void)[] = []
/** When others had the thread last. */
let turnedAtMs = 0
/** What waits for a turn, from `firstWaiting` on: to take the first out of thousands means to move all others. */
let waiting: (Turn | undefined)[] = []
let firstWaiting = 0

export interface ZoneFileSetting {
  readonly apex: string
  readonly path: string
  /** Load a changed file whatever its SOA says; otherwise only one with another serial. */
  readonly byMtime: boolean
}

interface KeptZone {
  setting: ZoneFileSetting
  /** Of the zone that is served; undefined while none is. */
  serial: number | undefined
  /** Of the files as they were when last looked at. */
  stamp: FileStamp | undefined
  /** Told last, so that the same isn't told at every look. */
  problem: string | undefined
  loading: Promise<void> | undefined
}

/** What became of a look at a zone. */
export type Look =
  | { readonly outcome: 'loaded'; readonly serial: number }
  | { readonly outcome: 'unchanged' }
  /** `missing`: the file can't be opened; `bad`: it is no zone. */
  | { readonly outcome: 'missing' | 'bad'; readonly error: Error }

export interface ZoneFilesContext {
  readonly publisher: ZonePublisher
  readonly log: Logger
  /** While it doesn't serve nothing suffers when the thread waits for a disk. */
  readonly server: { readonly isServing: boolean }
}

export class ZoneFiles {
  readonly #publisher: ZonePublisher
  readonly #log: Logger
  readonly #server: ZoneFilesContext['server']
  readonly #zones = new Map<string, KeptZone>()
  #isStopped = false
  /** Of what is being read and can be stopped; there only meanwhile. */
  #reading: AbortController | undefined
  #readings = 0

  constructor({ publisher, log, server }: ZoneFilesContext) {
    this.#publisher = publisher
    this.#log = log
    this.#server = server
  }

  get apexes(): readonly string[] {
    return [...this.#zones.keys()]
  }

  has(apex: string): boolean {
    return this.#zones.has(apex)
  }

  /** Serial of the zone as it is served. */
  serial(apex: string): number | undefined {
    return this.#zones.get(apex)?.serial
  }

  /**
   * Loads the zone for the first time. What can't be loaded is unavailable until a later look finds it well. `onRead`: the file is
   * done with, the zone may not be served yet.
   */
  async add(setting: ZoneFileSetting, onRead?: () => void): Promise<Look> {
    const zone: KeptZone = { setting, serial: undefined, stamp: undefined, problem: undefined, loading: undefined }
    this.#zones.set(setting.apex, zone)
    const look = await this.#load(zone, onRead)
    if (look.outcome === 'missing' || look.outcome === 'bad') {
      zone.problem = look.error.message
      await this.#publisher.zone(setting.apex).unavailable()
    }
    return look
  }

  /** The zone's data comes from another file from now on; the next look reads it. */
  move(apex: string, path: string): void {
    const zone = this.#zones.get(apex)
    if (zone === undefined || zone.setting.path === path) return
    zone.setting = { ...zone.setting, path }
    zone.stamp = undefined
  }

  async remove(apex: string): Promise<void> {
    const zone = this.#zones.get(apex)
    if (zone === undefined) return
    this.#zones.delete(apex)
    await zone.loading
    await this.#publisher.zone(apex).remove()
  }

  /** Looks at these zones (all when none are named), a few at a time. Never rejects. */
  async refresh(apexes: Iterable<string> = this.apexes): Promise<void> {
    await inTurn(apexes, async (apex, onRead) => {
      const zone = this.#zones.get(apex)
      if (zone === undefined || zone.loading !== undefined || this.#isStopped) return
      let ended: (() => void) | undefined
      zone.loading = new Promise<void>((resolve) => {
        ended = resolve
      })
      try {
        await this.#look(zone, onRead)
      } finally {
        zone.loading = undefined
        ended?.()
      }
    })
  }

  /** Loads several zones for the first time; `each` gets what became of every one, as they come. */
  addAll<S extends ZoneFileSetting>(settings: readonly S[], each: (setting: S, look: Look) => void): Promise<unknown> {
    return inTurn(settings, async (setting, onRead) => each(setting, await this.add(setting, onRead)))
  }

  /** Ends what is being read. What is served stays; the server removes it with the plugin. */
  stop(): void {
    this.#isStopped = true
    this.#reading?.abort()
  }

  #signal(): AbortSignal {
    this.#reading ??= new AbortController()
    if (this.#isStopped) this.#reading.abort()
    return this.#reading.signal
  }

  async #look(zone: KeptZone, onRead: () => void): Promise<void> {
    const { apex, path } = zone.setting
    if (zone.stamp !== undefined && !(await hasChanged(zone.stamp))) return
    const look = await this.#load(zone, onRead)
    if (this.#isStopped || this.#zones.get(apex) !== zone) return
    if (look.outcome === 'loaded') {
      zone.problem = undefined
      this.#log.info(`Successfully reloaded zone "${apex}" in "${path}" with ${look.serial} SOA serial`)
    } else if (look.outcome === 'unchanged') zone.problem = undefined
    else {
      const told =
        look.outcome === 'missing'
          ? `Failed to open zone "${apex}" in "${path}": ${look.error.message}`
          : `Parsing zone "${apex}": ${look.error.message}`
      if (zone.problem !== look.error.message) this.#log.error(told)
      zone.problem = look.error.message
    }
  }

  async #load(zone: KeptZone, onRead: (() => void) | undefined): Promise<Look> {
    const { apex, path, byMtime } = zone.setting
    this.#readings++
    try {
      if (this.#isStopped) throw new Error('stopped')
      const loaded = await loadZone(path, this.#publisher.zone(apex), {
        unlessSerial: byMtime ? undefined : zone.serial,
        onProgress: (progress) => this.#log.info(progressText(apex, progress)),
        signal: () => this.#signal(),
        blocking: !this.#server.isServing,
        onRead,
      })
      zone.stamp = loaded.stamp
      zone.serial = loaded.serial
      return loaded.outcome === 'loaded' ? { outcome: 'loaded', serial: loaded.serial } : { outcome: 'unchanged' }
    } catch (error) {
      // A file that is wrong now is looked at again, whether it changed or not.
      zone.stamp = undefined
      return fileProblem(error as NodeJS.ErrnoException)
    } finally {
      if (--this.#readings === 0) this.#reading = undefined
    }
  }
}

/** System errors in Go's words; everything else is about what the file says. */
function fileProblem(error: NodeJS.ErrnoException): Look {
  if (error.syscall === undefined) return { outcome: 'bad', error }
  const why = new Map([
    ['ENOENT', 'no such file or directory'],
    ['EACCES', 'permission denied'],
    ['EISDIR', 'is a directory'],
    ['ENOTDIR', 'not a directory'],
  ]).get(error.code ?? '')
  const message = why === undefined ? error.message : `open ${error.path ?? ''}: ${why}`
  return { outcome: error.code === 'EISDIR' ? 'bad' : 'missing', error: new Error(message) }
}

function progressText(apex: string, { octets, octetsTotal, records, elapsedMs }: ZoneFileProgress): string {
  const percent = octetsTotal === 0 ? 0 : Math.floor((100 * octets) / octetsTotal)
  return `Loading zone "${apex}": ${percent}%, ${records} records after ${printGoDuration(Math.round(elapsedMs / 100) * 100)}`
}

/** Does the work for each, AT_ONCE of them at a time in the whole process. The next one's turn comes when `onRead` is called, or the work is done. */
function inTurn<T>(items: Iterable<T>, work: (item: T, onRead: () => void) => Promise<void>): Promise<unknown> {
  return Promise.all(Array.from(items, (item) => turnOf((onRead) => work(item, onRead))))
}

interface Turn {
  readonly work: (onRead: () => void) => Promise<void>
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

function turnOf(work: Turn['work']): Promise<void> {
  return new Promise((resolve, reject) => {
    waiting.push({ work, resolve, reject })
    if (working < AT_ONCE) void takeTurns()
  })
}

/** Resolves when the next one's turn comes. */
function begin({ work, resolve, reject }: Turn): Promise<void> {
  return new Promise((endTurn) => {
    committing++
    const end = (): void => {
      endTurn()
      committing--
      if (whenCommitted.length === 0) return
      for (const wake of whenCommitted) wake()
      whenCommitted = []
    }
    work(endTurn).then(
      () => {
        end()
        resolve()
      },
      (error: unknown) => {
        end()
        reject(error)
      },
    )
  })
}

/** One of AT_ONCE that do what waits, one after another. */
async function takeTurns(): Promise<void> {
  working++
  while (firstWaiting < waiting.length) {
    const turn = waiting[firstWaiting]!
    waiting[firstWaiting++] = undefined
    await begin(turn)
    while (committing >= COMMITTING_MAX) await new Promise<void>((resolve) => whenCommitted.push(resolve))
    if (performance.now() - turnedAtMs >= SLICE_MS) {
      await new Promise(setImmediate)
      turnedAtMs = performance.now()
    }
  }
  waiting = []
  firstWaiting = 0
  working--
}
