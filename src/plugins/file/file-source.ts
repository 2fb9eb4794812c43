/** Keeps the zones of a block's `file` lines equal to their files, in the primary. */
import type { PrimaryContext, PrimaryPart } from '../../chain/plugin.ts'
import { printGoDuration } from '../../corefile/go-duration.ts'
import { type Look, ZoneFiles } from '../../sources/zone-file/zone-files.ts'
import { every } from '../every.ts'
import type { FileOptions, ZoneSetting } from './index.ts'

export class FileSource implements PrimaryPart {
  readonly #options: FileOptions
  readonly #context: Pick<PrimaryContext, 'log' | 'publisher' | 'server'>
  readonly #files: ZoneFiles
  readonly #timers: (() => void)[] = []
  #failure: Error | undefined

  constructor(options: FileOptions, context: Pick<PrimaryContext, 'log' | 'publisher' | 'server'>) {
    this.#options = options
    this.#context = context
    this.#files = new ZoneFiles(context)
  }

  /** Rejects for a file that is no zone, and for one that is missing where it would never be looked for again. */
  start(): void | Promise<void> {
    const loading = this.#files.addAll(this.#options.zones, (setting, look) => this.#note(setting, look))
    return loading === undefined ? this.#goOn() : loading.then(() => this.#goOn())
  }

  #note({ reloadMs }: ZoneSetting, look: Look): void {
    if (look.outcome === 'missing' && reloadMs > 0) {
      const when = printGoDuration(reloadMs)
      this.#context.log.warning(`Failed to open "${look.error.message}": trying again in ${when}`)
    } else if (look.outcome === 'missing' || look.outcome === 'bad') this.#failure ??= look.error
  }

  /** All zones were looked at. */
  #goOn(): void {
    if (this.#failure !== undefined) {
      this.#files.stop()
      throw new Error(`plugin/file: ${this.#failure.message}`)
    }
    for (const reloadMs of new Set(this.#options.zones.map((zone) => zone.reloadMs))) {
      if (reloadMs > 0) this.#timers.push(every(reloadMs, () => void this.#refresh(reloadMs)))
    }
  }

  #refresh(reloadMs: number): Promise<void> {
    const zones = this.#options.zones.filter((zone) => zone.reloadMs === reloadMs)
    return this.#files.refresh(zones.map(({ apex }) => apex))
  }

  async stop(): Promise<void> {
    for (const end of this.#timers) end()
    this.#files.stop()
  }
}
