/** A server under test while it runs: started on its cores, awaited until it answers, ended by its own process ID. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import type { Transport } from '../load/generator.ts'
import type { Command } from '../servers/server.ts'
import { pinned } from './pinning.ts'

const ASK_EVERY_MS = 20
const STOP_LIMIT_MS = 5000

/** Whatever ends the suite, they end with it. */
const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill()
})

export class RunningServer {
  readonly pid: number
  readonly startSeconds: number
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, startSeconds: number) {
    this.#child = child
    this.pid = child.pid!
    this.startSeconds = startSeconds
  }

  /** Rejects with what it printed when it ends, or answers nothing within `limitSeconds`. */
  static async start(
    { command, args, env }: Command,
    about: {
      core: string | undefined
      address: string
      port: number
      transport: Transport
      query: Buffer
      /** For what it prints. */
      outputFile: string
      limitSeconds: number
    },
  ): Promise<RunningServer> {
    const [file, list] = pinned(about.core, command, args)
    const started = performance.now()
    const output = openSync(about.outputFile, 'w')
    const child = spawn(file, list, { stdio: ['ignore', output, output], env: { ...process.env, ...env } })
    closeSync(output)
    running.add(child)
    let ended: string | undefined
    child.on('error', (error) => {
      ended = error.message
    })
    child.on('exit', (code, signal) => {
      running.delete(child)
      ended = `ended with ${signal ?? `code ${code}`}`
    })
    const ask = about.transport === 'udp' ? askUdp : askTcp
    while (ended === undefined) {
      if (await ask(about.address, about.port, about.query)) {
        return new RunningServer(child, (performance.now() - started) / 1000)
      }
      if (performance.now() - started > about.limitSeconds * 1000) {
        child.kill('SIGKILL')
        throw new Error(`no answer after ${about.limitSeconds} s: ${complaint(about.outputFile)}`)
      }
    }
    throw new Error(`${ended}: ${complaint(about.outputFile)}`)
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.kill('SIGTERM')
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_LIMIT_MS)
    await exited
    clearTimeout(timer)
  }
}

/** Whether an answer came that is no error. */
function askUdp(address: string, port: number, query: Buffer): Promise<boolean> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  return new Promise((resolve) => {
    const end = (answered: boolean) => {
      clearTimeout(timer)
      socket.close()
      resolve(answered)
    }
    const timer = setTimeout(() => end(false), ASK_EVERY_MS)
    socket.once('message', (reply) => end(isAnswer(reply)))
    socket.once('error', () => {})
    socket.send(query, port, address)
  })
}

function askTcp(address: string, port: number, query: Buffer): Promise<boolean> {
  const socket = connect(port, address)
  return new Promise((resolve) => {
    const end = (answered: boolean) => {
      clearTimeout(timer)
      socket.destroy()
      // A refused connection fails at once: not asking again too soon.
      setTimeout(resolve, answered ? 0 : ASK_EVERY_MS, answered)
    }
    const timer = setTimeout(() => end(false), 200)
    socket.once('data', (data) => end(isAnswer((data as Buffer).subarray(2))))
    socket.once('error', () => end(false))
    socket.write(Buffer.concat([Buffer.from([query.length >>> 8, query.length & 255]), query]))
  })
}

/** SERVFAIL and REFUSED mean that the zone is not loaded yet. */
function isAnswer(reply: Buffer): boolean {
  return reply.length >= 12 && ((reply[3]! & 15) === 0 || (reply[3]! & 15) === 3)
}

/** The line that says most about why it ended: the last one that speaks of an error, else the last. */
function complaint(file: string): string {
  const lines = readFileSync(file, 'utf8').trim().split('\n')
  return lines.findLast((line) => /error|fatal|cannot/i.test(line)) ?? lines.at(-1) ?? ''
}
