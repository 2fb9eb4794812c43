/** Whole servers with the stub engine, whose replies say which process made them (`stub-engine.ts`). */
import { after } from 'node:test'
import { fileURLToPath } from 'node:url'
import { composeTestQuery, openUdpClient } from './dns-client.ts'
import { type ServerOptions, spawnServer, startServer, type TestServer } from './server.ts'
import { trailerOf } from './stub-engine.ts'
import { until } from './until.ts'

const main = fileURLToPath(new URL('./stub-main.ts', import.meta.url))
const COREFILE = '.:PORT {\n  whoami\n}\n'
export const QUERY = composeTestQuery('now.example', 1)
const running: TestServer[] = []
after(() => Promise.all(running.map((server) => server.stop())))

export interface StubOptions extends ServerOptions {
  /** 2 by default. */
  readonly processes?: number
  /** Of the supervisor. */
  readonly limits?: object
}

function withStub({ processes = 2, limits, ...options }: StubOptions): ServerOptions {
  const env = { ...options.env, ...(limits === undefined ? {} : { SHOAL_TEST_LIMITS: JSON.stringify(limits) }) }
  return { ...options, main, env, args: ['-processes', String(processes), ...(options.args ?? [])] }
}

/** Serves when it resolves; ends with the tests of the file. */
export async function startStub(options: StubOptions = {}, corefile = COREFILE): Promise<TestServer> {
  const server = await startServer(corefile, withStub(options))
  running.push(server)
  return server
}

/** As `startStub`, without waiting for anything. */
export async function spawnStub(options: StubOptions = {}, corefile = COREFILE): Promise<TestServer> {
  const server = await spawnServer(corefile, withStub(options))
  running.push(server)
  return server
}

/** Asks from fresh source ports until each of `count` processes has answered; returns their ids. */
export async function answering(port: number, count: number, qname = 'now.example'): Promise<Set<number>> {
  const pids = new Set<number>()
  await until(`${count} processes answer`, async () => {
    const clients = Array.from({ length: 16 }, () => openUdpClient(port))
    for (const reply of await Promise.all(clients.map((client) => client.ask(composeTestQuery(qname, 1), 500)))) {
      if (reply !== undefined) pids.add(trailerOf(reply).pid)
    }
    for (const client of clients) client.close()
    return pids.size >= count
  })
  return pids
}

/** Asks once, from a source port of its own. */
export function ask(port: number, qname = 'now.example', milliseconds?: number): Promise<Uint8Array | undefined> {
  const client = openUdpClient(port)
  return client.ask(composeTestQuery(qname, 1), milliseconds).finally(() => client.close())
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
