/** One incarnation of a worker as the primary sees it: its line, what it is waited for, and whether it lives. */
import type { Link } from '../messages/link.ts'
import type { FromWorker, ToWorker } from '../messages/protocol.ts'

/**
 *   booting ──hello──► starting ──serving──► serving
 *      └──────────────────┴───────────────────┴────────► gone
 */
export type Phase = 'booting' | 'starting' | 'serving' | 'gone'

export class WorkerHandle {
  /** Which of the server's N workers this is one incarnation of, from 0. */
  readonly slot: number
  /** Process id; undefined in one-process mode. */
  readonly pid: number | undefined
  phase: Phase = 'booting'
  /** It answers clients while it is still starting. */
  opensEarly = false
  readonly startedAtMs = performance.now()
  servingAtMs = Number.POSITIVE_INFINITY
  /** Generation of the configuration it was given last. */
  generation = 0
  /** Heartbeats sent since it was last heard of. */
  silentTicks = 0
  readonly #link: Link<ToWorker, FromWorker>
  readonly #kill: () => void
  readonly #waits = new Map<string, ((message: FromWorker | undefined) => void)[]>()

  constructor(slot: number, pid: number | undefined, link: Link<ToWorker, FromWorker>, kill: () => void) {
    this.slot = slot
    this.pid = pid
    this.#link = link
    this.#kill = kill
  }

  send(message: ToWorker): void {
    this.#link.send(message)
  }

  /**
   * The next message of this kind and number (`held 7`), undefined when the worker is gone before. Ask before sending
   * what it answers to.
   */
  expect(key: string): Promise<FromWorker | undefined> {
    if (this.phase === 'gone') return Promise.resolve(undefined)
    return new Promise((resolve) => {
      const waits = this.#waits.get(key)
      if (waits === undefined) this.#waits.set(key, [resolve])
      else waits.push(resolve)
    })
  }

  /** A message came: settles who waits for it. */
  settle(message: FromWorker): void {
    const key = keyOf(message)
    const waits = this.#waits.get(key)
    if (waits === undefined) return
    this.#waits.delete(key)
    for (const resolve of waits) resolve(message)
  }

  /** Ends the process without a word. In one-process mode there is nothing to end. */
  kill(): void {
    this.#kill()
  }

  /** The worker may end: it has drained. */
  close(): void {
    this.#link.close()
  }

  /** It is no more: nobody waits for it any longer. */
  bury(): void {
    if (this.phase === 'gone') return
    this.phase = 'gone'
    const waits = [...this.#waits.values()].flat()
    this.#waits.clear()
    for (const resolve of waits) resolve(undefined)
  }
}

function keyOf(message: FromWorker): string {
  switch (message.kind) {
    case 'held':
      return `held ${message.round}`
    case 'applied':
      return `applied ${message.sequence}`
    case 'prepared':
    case 'committed':
    case 'retired':
      return `${message.kind} ${message.generation}`
    case 'figures':
      return `figures ${message.scrape}`
    default:
      return message.kind
  }
}
