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
import { type FileStamp, hasChanged, type Loaded, loadZone } from './load-zone.ts'
import { takeTurn } from './turns.ts'

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
   * Loads the zone for the first time, in its turn: at once, if it can be. What can't be loaded is unavailable until a later look
   * finds it well.
   */
  add(setting: ZoneFileSetting): Look | Promise<Look> {
    const zone: KeptZone = { setting, serial: undefined, stamp: undefined, problem: undefined, loading: undefined }
    this.#zones.set(setting.apex, zone)
    const look = takeTurn((onRead) => this.#load(zone, onRead))
    if (look instanceof Promise) return look.then((found) => this.#noteFirst(zone, found))
    return this.#noteFirst(zone, look)
  }

  #noteFirst(zone: KeptZone, look: Look): Look | Promise<Look> {
    if (look.outcome !== 'missing' && look.outcome !== 'bad') return look
    zone.problem = look.error.message
    return this.#publisher
      .zone(zone.setting.apex)
      .unavailable()
      .then(() => look)
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
    await Promise.all(Array.from(apexes, (apex) => takeTurn((onRead) => this.#refreshOne(apex, onRead))))
  }

  async #refreshOne(apex: string, onRead: () => void): Promise<void> {
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
  }

  /** Loads several zones for the first time; `each` gets what became of every one, as they come. Nothing when all are there at once. */
  addAll<S extends ZoneFileSetting>(
    settings: readonly S[],
    each: (setting: S, look: Look) => void,
  ): undefined | Promise<unknown> {
    const loading: Promise<void>[] = []
    for (const setting of settings) {
      const look = this.add(setting)
      if (look instanceof Promise) loading.push(look.then((found) => each(setting, found)))
      else each(setting, look)
    }
    return loading.length === 0 ? undefined : Promise.all(loading)
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

  #load(zone: KeptZone, onRead: () => void): Look | Promise<Look> {
    const { apex, path, byMtime } = zone.setting
    if (this.#isStopped) return failed(zone, new Error('stopped'))
    let loading: Loaded | Promise<Loaded>
    try {
      loading = loadZone(path, this.#publisher.zone(apex), {
        unlessSerial: byMtime ? undefined : zone.serial,
        onProgress: (progress) => this.#log.info(progressText(apex, progress)),
        signal: () => this.#signal(),
        blocking: !this.#server.isServing,
        onRead,
      })
    } catch (error) {
      return failed(zone, error)
    }
    if (!(loading instanceof Promise)) return loaded(zone, loading)
    this.#readings++
    return loading
      .then(
        (done) => loaded(zone, done),
        (error: unknown) => failed(zone, error),
      )
      .finally(() => {
        if (--this.#readings === 0) this.#reading = undefined
      })
  }
}

function loaded(zone: KeptZone, { outcome, serial, stamp }: Loaded): Look {
  zone.stamp = stamp
  zone.serial = serial
  return outcome === 'loaded' ? { outcome, serial } : { outcome }
}

/** A file that is wrong now is looked at again, whether it changed or not. */
function failed(zone: KeptZone, error: unknown): Look {
  zone.stamp = undefined
  return fileProblem(error as NodeJS.ErrnoException)
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
