/** Starts a process of the load generator on its core and gives it jobs. */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { pinned } from '../machine/pinning.ts'
import type { Job, Told } from './generator.ts'

export class LoadProcess {
  readonly #child: ChildProcess
  #waiting: { resolve(result: Told): void; reject(error: Error): void } | undefined

  constructor(core: string | undefined, firstSerial: number) {
    const script = fileURLToPath(new URL('generator.ts', import.meta.url))
    const [command, args] = pinned(core, process.execPath, [...process.execArgv, script, `${firstSerial}`])
    this.#child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.#child.on('message', ({ result, error }: { result?: Told; error?: string }) => {
      const waiting = this.#waiting
      this.#waiting = undefined
      if (result !== undefined) waiting?.resolve(result)
      else waiting?.reject(new Error(error))
    })
    this.#child.on('exit', (code, signal) => {
      this.#waiting?.reject(new Error(`the load generator ended with ${signal ?? `code ${code}`}`))
    })
  }

  run(job: Job): Promise<Told> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
      this.#child.send(job)
    })
  }

  close(): void {
    this.#child.disconnect()
  }
}
