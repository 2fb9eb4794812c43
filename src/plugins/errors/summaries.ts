/** The primary's part of `errors`: adds up what the pool threads counted, and logs a line per pattern and period. */
import type { PrimaryPart } from '../../chain/plugin.ts'
import type { Logger } from '../../observe/logger.ts'
import type { Consolidation, ErrorsOptions } from './index.ts'

/** What setTimeout can wait; a longer period ends early. */
const TIMER_MS_MAX = 0x7fffffff

/** What a thread reports: per pattern, errors since its last report and the first one's log line. */
export type ErrorCounts = { count: number; first: string }[]

export class Summaries implements PrimaryPart {
  readonly #log: Logger
  readonly #windows: { readonly rule: Consolidation; count: number; timer: NodeJS.Timeout | undefined }[]

  constructor({ consolidations }: ErrorsOptions, log: Logger) {
    this.#log = log
    this.#windows = consolidations.map((rule) => ({ rule, count: 0, timer: undefined }))
  }

  async start(): Promise<void> {}

  /** Logs what is pending: no error goes untold. */
  async stop(): Promise<void> {
    for (const [index, { timer }] of this.#windows.entries()) {
      clearTimeout(timer)
      this.#summarize(index)
    }
  }

  onReport(data: unknown): void {
    for (const [index, { count, first }] of (data as ErrorCounts).entries()) {
      const window = this.#windows[index]
      if (window === undefined || count === 0) continue
      if (window.count === 0) {
        window.timer = setTimeout(() => this.#summarize(index), Math.min(window.rule.periodMs, TIMER_MS_MAX))
        window.timer.unref()
        if (window.rule.showFirst) this.#log[window.rule.level](first)
      }
      window.count += count
    }
  }

  #summarize(index: number): void {
    const window = this.#windows[index]!
    const { count, rule } = window
    window.count = 0
    window.timer = undefined
    if (count === 0 || (count === 1 && rule.showFirst)) return
    this.#log[rule.level](`${count} errors like '${rule.pattern}' occurred in last ${rule.periodText}`)
  }
}
