/** Keeps the zones of a folder equal to its files, in the primary. */
import type { PrimaryContext, PrimaryPart } from '../../chain/plugin.ts'
import { ZoneFiles } from '../../sources/zone-file/zone-files.ts'
import { every } from '../every.ts'
import type { AutoOptions } from './index.ts'
import { walkZones } from './walk-zones.ts'

export class AutoSource implements PrimaryPart {
  readonly #options: AutoOptions
  readonly #context: Pick<PrimaryContext, 'log' | 'publisher' | 'server'>
  readonly #files: ZoneFiles
  /** Told already, by zone or by text: the same isn't told at every walk. */
  #told = new Set<string>()
  #endWalks: (() => void) | undefined
  #walking: Promise<void> | undefined

  constructor(options: AutoOptions, context: Pick<PrimaryContext, 'log' | 'publisher' | 'server'>) {
    this.#options = options
    this.#context = context
    this.#files = new ZoneFiles(context)
  }

  /** Never rejects for what is in the folder: bad files are told and left out. */
  async start(): Promise<void> {
    await this.walk()
    const { reloadMs } = this.#options
    if (reloadMs > 0) this.#endWalks = every(reloadMs, () => void this.walk())
  }

  async stop(): Promise<void> {
    this.#endWalks?.()
    this.#files.stop()
  }

  /** One look at the folder and at every zone's file. Looks don't overlap. */
  walk(): Promise<void> {
    this.#walking ??= this.#walk().finally(() => {
      this.#walking = undefined
    })
    return this.#walking
  }

  async #walk(): Promise<void> {
    const { log } = this.#context
    const { zones, problems } = await walkZones(this.#options)
    const told = new Set<string>()
    const tell = (text: string): void => {
      if (!this.#told.has(text)) log.warning(text)
      told.add(text)
    }
    for (const problem of problems) tell(problem)
    for (const apex of this.#files.apexes) {
      const path = zones.get(apex)
      if (path !== undefined) this.#files.move(apex, path)
      else {
        await this.#files.remove(apex)
        log.info(`Deleting zone \`${apex}'`)
      }
    }
    await this.#files.refresh()
    const fresh = [...zones].filter(([apex]) => !this.#files.has(apex))
    await this.#files.addAll(
      fresh.map(([apex, path]) => ({ apex, path, byMtime: false })),
      ({ apex, path }, look) => {
        if (look.outcome === 'loaded') log.info(`Inserting zone \`${apex}' from: ${path}`)
        else if (look.outcome === 'missing') tell(`Opening ${path} failed: ${look.error.message}`)
        else if (look.outcome === 'bad') tell(`Parse zone \`${apex}': ${look.error.message}`)
      },
    )
    // What could not be loaded is no zone here: its names go to the next plugin.
    for (const [apex] of fresh) if (this.#files.serial(apex) === undefined) await this.#files.remove(apex)
    this.#told = told
  }
}
