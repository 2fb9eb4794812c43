/** A large cluster's API in a process of its own (`big-cluster.ts`), and orders to it. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Order, Told } from './big-cluster.ts'

export class BigCluster {
  readonly #child: ChildProcess
  readonly #ended: Promise<never>

  constructor() {
    this.#child = fork(fileURLToPath(new URL('big-cluster.ts', import.meta.url)), {
      execArgv: ['--disable-warning=ExperimentalWarning', '--max-old-space-size=8192'],
    })
    this.#ended = once(this.#child, 'exit').then(([code]): never => {
      throw new Error(`the cluster's API ended with code ${code}`)
    })
    this.#ended.catch(() => {})
  }

  /** One order at a time. Rejects when the process ends. */
  async ask(order: Order): Promise<Told> {
    this.#child.send(order)
    const [told] = (await Promise.race([once(this.#child, 'message'), this.#ended])) as [Told]
    return told
  }

  /** Resolves when the process has ended. */
  async stop(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect()
    await this.#ended.catch(() => {})
  }
}
