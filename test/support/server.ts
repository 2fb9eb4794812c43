/**
 * Starts bin/shoal with a Corefile on free ports, waits until it serves, and stops it. `PORT` in the Corefile stands for
 * the DNS port, `PORT1`, `PORT2` and so on for further ones. `npm test` builds first and sets SHOAL_BUILT: these servers
 * are then what is published, which starts and reloads in half the time. Without it they run the sources.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { freePort } from './dns-client.ts'
import { temporaryFolder } from './temporary-folder.ts'
import { until } from './until.ts'

/** Between the end of a process and its last lines. */
const LAST_LINES_MS = 500
const ROOT = fileURLToPath(new URL('../..', import.meta.url))

export interface ServerOptions {
  /** Files beside the Corefile, by name. */
  readonly files?: Readonly<Record<string, string>>
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Another main file than bin/shoal's. */
  readonly main?: string
  /** Milliseconds until it must serve. */
  readonly patienceMs?: number
}

export interface TestServer {
  /** The DNS port, which `PORT` in the Corefile stood for. */
  readonly port: number
  readonly ports: readonly number[]
  /** Folder of the Corefile and its files. */
  readonly folder: string
  /** Process id of the primary. */
  readonly pid: number
  /** Lines of standard output so far. */
  readonly lines: readonly string[]
  /** Lines of standard error so far. */
  readonly errors: readonly string[]
  readonly exitCode: number | null
  /** Resolves with the first line of standard output that matches, from line `from` on. */
  line(pattern: RegExp, from?: number, milliseconds?: number): Promise<string>
  /** Writes the Corefile anew; ports are put in as at the start. */
  writeCorefile(text: string): void
  /** Process ids of the workers that the primary has now. */
  workers(): Promise<number[]>
  signal(signal: NodeJS.Signals): void
  /** Resolves with the exit code, or the signal's name. */
  ended(milliseconds?: number): Promise<number | string>
  /** Ends it at once if it still runs, and removes the folder. */
  stop(): Promise<void>
}

/** Resolves when the server has said its last word about its start; rejects with its output when it ends before. */
export async function startServer(corefile: string, options: ServerOptions = {}): Promise<TestServer> {
  const server = await spawnServer(corefile, options)
  try {
    await until(
      'the server serves',
      () => server.exitCode !== null || server.lines.some((line) => line.includes('UDP transport')),
      options.patienceMs ?? 20_000,
    )
    if (server.exitCode !== null) throw new Error(`the server ended with code ${server.exitCode}`)
  } catch (error) {
    await server.stop()
    throw new Error(`${(error as Error).message}\n${[...server.lines, ...server.errors].join('\n')}`)
  }
  return server
}

/** As `startServer`, without waiting for anything. */
export async function spawnServer(corefile: string, options: ServerOptions = {}): Promise<TestServer> {
  const folder = temporaryFolder()
  const ports = await freePorts(new Set(corefile.match(/\bPORT\d*\b/g) ?? ['PORT']))
  const writeCorefile = (text: string): void =>
    writeFileSync(
      join(folder, 'Corefile'),
      text.replaceAll(/\bPORT\d*\b/g, (name) => String(ports.get(name))),
    )
  writeCorefile(corefile)
  for (const [name, text] of Object.entries(options.files ?? {})) writeFileSync(join(folder, name), text)
  const args = ['-conf', 'Corefile', ...(options.args ?? [])]
  const [command, first] =
    options.main === undefined ? [join(ROOT, 'bin/shoal'), []] : [join(ROOT, 'bin/node'), [options.main]]
  const child = spawn(command, [...first, ...args], {
    cwd: folder,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  return new Running(child, folder, ports, writeCorefile)
}

class Running implements TestServer {
  readonly port: number
  readonly ports: readonly number[]
  readonly folder: string
  readonly pid: number
  readonly lines: string[] = []
  readonly errors: string[] = []
  readonly writeCorefile: (text: string) => void
  readonly #child: ChildProcess
  readonly #exited: Promise<unknown>

  constructor(
    child: ChildProcess,
    folder: string,
    ports: ReadonlyMap<string, number>,
    writeCorefile: (text: string) => void,
  ) {
    this.#child = child
    this.folder = folder
    this.ports = [...ports.values()]
    this.port = ports.get('PORT') ?? this.ports[0]!
    this.pid = child.pid!
    this.writeCorefile = writeCorefile
    this.#exited = once(child, 'close')
    collectLines(child.stdout!, this.lines)
    collectLines(child.stderr!, this.errors)
  }

  get exitCode(): number | null {
    return this.#child.exitCode
  }

  async line(pattern: RegExp, from = 0, milliseconds?: number): Promise<string> {
    const find = (): string | undefined => this.lines.slice(from).find((line) => pattern.test(line))
    try {
      await until(`a line like ${pattern}`, () => find() !== undefined, milliseconds)
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${[...this.lines, ...this.errors].join('\n')}`)
    }
    return find()!
  }

  async workers(): Promise<number[]> {
    const { readFile } = await import('node:fs/promises')
    const text = await readFile(`/proc/${this.pid}/task/${this.pid}/children`, 'utf8').catch(() => '')
    return text.trim().split(' ').filter(Boolean).map(Number)
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  async ended(milliseconds = 10_000): Promise<number | string> {
    await until('the server ends', () => this.#child.exitCode !== null || this.#child.signalCode !== null, milliseconds)
    // What it printed last; a worker that is still ending may hold the pipes open.
    await Promise.race([this.#exited, setTimeout(LAST_LINES_MS)])
    return this.#child.exitCode ?? this.#child.signalCode!
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill('SIGKILL')
    await this.#exited
    rmSync(this.folder, { recursive: true, force: true })
  }
}

function collectLines(stream: NodeJS.ReadableStream, lines: string[]): void {
  let rest = ''
  stream.setEncoding('utf8')
  stream.on('data', (text: string) => {
    const parts = (rest + text).split('\n')
    rest = parts.pop()!
    lines.push(...parts)
  })
  stream.on('end', () => {
    if (rest !== '') lines.push(rest)
  })
}

async function freePorts(names: ReadonlySet<string>): Promise<Map<string, number>> {
  const ports = new Map<string, number>()
  for (const name of new Set(['PORT', ...names])) ports.set(name, await freePort())
  return ports
}
