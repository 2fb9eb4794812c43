/** Keeps the names of a block's `hosts` equal to its file and its lines in the Corefile, in the primary. */
import { open } from 'node:fs/promises'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { PrimaryContext, PrimaryPart } from '../../chain/plugin.ts'
import type { Gauge } from '../../observe/prom-client.ts'
import { sharedGauge } from '../../observe/shared-metric.ts'
import { every } from '../every.ts'
import { HostTable } from './host-table.ts'
import type { HostsOptions } from './index.ts'

const TYPE_A = 1
const TYPE_PTR = 12
const TYPE_AAAA = 28
/** Octets of a hosts file that are read. */
export const FILE_SIZE_MAX = 256 << 20
const NEWLINE = 0x0a
/** How long reading a large file keeps the thread at a time. */
const SLICE_MS = 2
const LINES_PER_CLOCK = 64

export class HostsSource implements PrimaryPart {
  readonly #options: HostsOptions
  readonly #context: Pick<PrimaryContext, 'log' | 'publisher'>
  readonly #entries: Gauge<'hostsfile'>
  readonly #reloadedAt: Gauge
  #endLooks: (() => void) | undefined
  /** Of the file as it was read last. */
  #stamp = ''
  #looking = false
  #stopped = false

  constructor(options: HostsOptions, context: Pick<PrimaryContext, 'log' | 'publisher' | 'registry'>) {
    this.#options = options
    this.#context = context
    this.#entries = sharedGauge(
      context.registry,
      'coredns_hosts_entries',
      'The combined number of entries in hosts and Corefile.',
      ['hostsfile'],
    )
    this.#reloadedAt = sharedGauge(
      context.registry,
      'coredns_hosts_reload_timestamp_seconds',
      'The timestamp of the last reload of hosts file.',
      [],
      'max',
    )
  }

  /** A file that can't be read leaves the lines of the Corefile. */
  async start(): Promise<void> {
    if (!(await this.look())) await this.#publish(Buffer.alloc(0))
    const { reloadMs } = this.#options
    if (reloadMs > 0) this.#endLooks = every(reloadMs, () => void this.look())
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#endLooks?.()
  }

  /** Reads the file if it changed (modification time or size). Says whether anything was published. Never rejects. */
  async look(): Promise<boolean> {
    if (this.#looking || this.#stopped) return false
    this.#looking = true
    try {
      return await this.#lookNow()
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      // A file that is missing was told of at the start, and what was read before stays.
      if (code !== 'ENOENT' && code !== 'EISDIR') this.#context.log.warning(`${this.#options.file}: ${message}`)
      return false
    } finally {
      this.#looking = false
    }
  }

  async #lookNow(): Promise<boolean> {
    const { file } = this.#options
    const handle = await open(file)
    try {
      const { mtimeNs, mtimeMs, size } = await handle.stat({ bigint: true })
      const stamp = `${mtimeNs} ${size}`
      if (stamp === this.#stamp) return false
      this.#stamp = stamp
      if (size > BigInt(FILE_SIZE_MAX)) throw new Error(`larger than ${FILE_SIZE_MAX} octets`)
      await this.#publish(await handle.readFile())
      this.#reloadedAt.set(Number(mtimeMs) / 1000)
      return true
    } finally {
      await handle.close()
    }
  }

  /** Publishes the file's names and those of the Corefile, the file's first. */
  async #publish(text: Buffer): Promise<void> {
    const { scope, reverse, inline, ttlSeconds, file } = this.#options
    const table = new HostTable(scope, reverse)
    const slice = new TimeSlice()
    for (let at = 0; at < text.length; ) {
      const newline = text.indexOf(NEWLINE, at)
      const end = newline < 0 ? text.length : newline
      table.addLine(text.toString('utf8', at, end))
      at = end + 1
      const pause = slice.pause()
      if (pause !== undefined) await pause
    }
    for (const line of inline) table.addLine(line)
    const transaction = this.#context.publisher.zone('.', 'flat').replace()
    try {
      for (const { owner, a, aaaa, ptr } of table.values()) {
        let goesOn = true
        if (a.length > 0) goesOn = transaction.put(owner, TYPE_A, ttlSeconds, a) && goesOn
        if (aaaa.length > 0) goesOn = transaction.put(owner, TYPE_AAAA, ttlSeconds, aaaa) && goesOn
        if (ptr.length > 0) goesOn = transaction.put(owner, TYPE_PTR, ttlSeconds, ptr) && goesOn
        if (!goesOn) await transaction.drained()
      }
      await transaction.commit()
    } catch (error) {
      transaction.abort()
      throw error
    }
    this.#entries.set({ hostsfile: file }, table.entries)
    this.#context.log.debug(`Parsed hosts file into ${table.entries} entries`)
  }
}

/** Lets other work of the thread go on every SLICE_MS. */
class TimeSlice {
  #until = performance.now() + SLICE_MS
  #calls = 0

  /** Resolves at once, or in the next turn when the time is up. */
  pause(): Promise<void> | undefined {
    if (++this.#calls % LINES_PER_CLOCK !== 0 || performance.now() < this.#until) return undefined
    return nextTurn().then(() => {
      this.#until = performance.now() + SLICE_MS
    })
  }
}
