/** Programs of this machine: run to their end, or kept running until they are stopped. */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

export interface RunOptions {
  readonly input?: string
  readonly timeoutMs?: number
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
}

export interface Ended {
  /** -1 when a signal or the time limit ended it. */
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/** A program said no. */
export class CommandError extends Error {
  readonly code = 'E2E_COMMAND'
  constructor(command: readonly string[], { status, stdout, stderr }: Ended) {
    super(`${command.join(' ')}: exit code ${status}\n${stdout.slice(-2000)}${stderr.slice(-4000)}`)
    this.name = 'CommandError'
  }
}

/** What still runs when this process ends must not outlive it. */
const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) killGroup(child)
})

/** Never rejects for what the program does, only when it can't be started. */
export async function attempt(command: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const { input = '', timeoutMs = 60_000, env = process.env, cwd } = options
  const child = spawn(command[0]!, command.slice(1), { env, cwd, stdio: ['pipe', 'pipe', 'pipe'], detached: true })
  running.add(child)
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const timer = setTimeout(() => killGroup(child), timeoutMs)
  try {
    const status = await new Promise<number>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code) => resolve(code ?? -1))
    })
    return { status, stdout, stderr }
  } finally {
    clearTimeout(timer)
    running.delete(child)
  }
}

/** Standard output. Throws CommandError unless the exit code is 0. */
export async function run(command: readonly string[], options: RunOptions = {}): Promise<string> {
  const ended = await attempt(command, options)
  if (ended.status !== 0) throw new CommandError(command, ended)
  return ended.stdout
}

/** Repeats until the check gives something; throws its last error, or says that time is over. */
export async function eventually<T>(what: string, check: () => Promise<T | undefined>, timeoutMs = 60_000): Promise<T> {
  const end = performance.now() + timeoutMs
  let last: unknown
  do {
    try {
      const value = await check()
      if (value !== undefined) return value
      last = undefined
    } catch (error) {
      last = error
    }
    await delay(300)
  } while (performance.now() < end)
  throw new Error(`not within ${timeoutMs / 1000} s: ${what}`, { cause: last })
}

/** A program that runs until it is stopped; what it prints goes to a file. */
export class Daemon {
  readonly name: string
  readonly pid: number
  readonly #child: ChildProcess
  readonly #ended: Promise<void>
  hasEnded = false

  constructor(name: string, command: readonly string[], logFile: string, env: NodeJS.ProcessEnv = process.env) {
    this.name = name
    const log = openSync(logFile, 'a')
    this.#child = spawn(command[0]!, command.slice(1), { env, stdio: ['ignore', log, log] })
    closeSync(log)
    this.pid = this.#child.pid ?? 0
    this.#ended = new Promise((resolve) => {
      const end = (): void => {
        this.hasEnded = true
        resolve()
      }
      this.#child.once('exit', end)
      this.#child.once('error', end)
    })
  }

  /** SIGTERM, and SIGKILL for one that takes longer. */
  async stop(graceMs = 3000): Promise<void> {
    if (this.hasEnded) return
    this.#child.kill('SIGTERM')
    await Promise.race([this.#ended, delay(graceMs, undefined, { ref: false })])
    if (!this.hasEnded) this.#child.kill('SIGKILL')
    await this.#ended
  }
}

function killGroup(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
  } catch {
    // It has just ended.
  }
}
