/** Keeps the zones of a block's `file` lines equal to their files, in the primary. */
import type { PrimaryContext, PrimaryPart } from '../../chain/plugin.ts'
import { printGoDuration } from '../../corefile/go-duration.ts'
import { ZoneFiles } from '../../sources/zone-file/zone-files.ts'
import { every } from '../every.ts'
import type { FileOptions } from './index.ts'

export class FileSource implements PrimaryPart {
  readonly #options: FileOptions
  readonly #context: Pick<PrimaryContext, 'log' | 'publisher' | 'server'>
  readonly #files: ZoneFiles
  readonly #timers: (() => void)[] = []

  constructor(options: FileOptions, context: Pick<PrimaryContext, 'log' | 'publisher' | 'server'>) {
    this.#options = options
    this.#context = context
    this.#files = new ZoneFiles(context)
  }

  /** Rejects for a file that is no zone, and for one that is missing where it would never be looked for again. */
  async start(): Promise<void> {
    const { log } = this.#context
    let failure: Error | undefined
    await this.#files.addAll(this.#options.zones, ({ reloadMs }, look) => {
      if (look.outcome === 'missing' && reloadMs > 0) {
        log.warning(`Failed to open "${look.error.message}": trying again in ${printGoDuration(reloadMs)}`)
      } else if (look.outcome === 'missing' || look.outcome === 'bad') failure ??= look.error
    })
    if (failure !== undefined) {
      this.#files.stop()
      throw new Error(`plugin/file: ${failure.message}`)
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
