/** Processes, sockets, signals and reloads, with an engine that says who answered (`support/stub-engine.ts`). */
import assert from 'node:assert/strict'
import dgram from 'node:dgram'
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { composeTestQuery, freePort, openTcpClient, openUdpClient } from '../support/dns-client.ts'
import type { TestServer } from '../support/server.ts'
import { steadyQueries } from '../support/steady-queries.ts'
import { trailerOf } from '../support/stub-engine.ts'
import { answering, ask, isAlive, QUERY, spawnStub, startStub } from '../support/stub-server.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/until.ts'

// A few at a time: each waits for processes to start and to end.
describe('processes', { concurrency: 3 }, () => {
  for (const processes of [1, 2])
    describe(`-processes ${processes}`, { concurrency: 2 }, () => testProcesses(processes))
  testSupervision()
})

function testProcesses(processes: number): void {
  test('serves over UDP and TCP, IPv4 and IPv6, and says so only then', async () => {
    const server = await startStub({ processes })
    assert.equal(server.lines[0], `.:${server.port}`)
    assert.match(server.lines[1]!, /^Shoal-/)
    assert.match(server.lines.join('\n'), /\[INFO\] UDP transport (dgram|mmsg): /)
    for (const host of ['127.0.0.1', '::1']) {
      for (const client of [openUdpClient(server.port, host), openTcpClient(server.port, host)]) {
        assert.ok(await client.ask(QUERY), host)
        client.close()
      }
    }
    const pids = await answering(server.port, processes)
    if (processes === 1) assert.deepEqual([...pids], [server.pid])
    else assert.deepEqual([...pids].sort(), (await server.workers()).sort())
  })

  test('-quiet prints nothing', async () => {
    const server = await spawnStub({ processes, args: ['-quiet'] })
    await until('it serves', async () => (await ask(server.port, 'now.example', 100)) !== undefined)
    assert.deepEqual([server.lines, server.errors], [[], []])
  })

  for (const protocol of ['udp', 'tcp'] as const) {
    test(`a ${protocol} port in use ends the start with code 1 and the address`, async () => {
      const port = await freePort()
      const socket = protocol === 'udp' ? dgram.createSocket('udp4') : net.createServer()
      if (socket instanceof dgram.Socket) await new Promise<void>((resolve) => socket.bind(port, '127.0.0.1', resolve))
      else await new Promise<void>((resolve) => socket.listen(port, '127.0.0.1', resolve))
      const server = await spawnStub({ processes }, `.:${port} {\n  bind 127.0.0.1\n  whoami\n}\n`)
      assert.equal(await server.ended(), 1)
      assert.deepEqual(server.errors, [`listen ${protocol} 127.0.0.1:${port}: address already in use`])
      assert.deepEqual(server.lines, [])
      socket.close()
    })
  }

  test("an engine that can't be built ends the start with code 1", async () => {
    const server = await spawnStub({ processes }, 'bad.example:PORT {\n  whoami\n}\n')
    assert.equal(await server.ended(), 1)
    assert.deepEqual(server.errors, ['the stub refuses this configuration'])
  })

  test('a Corefile with an error ends the start with code 1, file and line', async () => {
    const server = await spawnStub({ processes }, '.:PORT {\n  whoami\n  nosuchplugin\n}\n')
    assert.equal(await server.ended(), 1)
    assert.match(server.errors[0]!, /^Corefile:3 - .*nosuchplugin/)
  })

  test('SIGTERM answers what is in flight, removes the pidfile, exits 0', async () => {
    const server = await startStub({ processes, args: ['-pidfile', 'pid'] })
    const pidfile = join(server.folder, 'pid')
    assert.equal(readFileSync(pidfile, 'utf8'), `${server.pid}\n`)
    assert.equal(statSync(pidfile).mode & 0o777, 0o644)
    const tcp = openTcpClient(server.port)
    const inFlight = [ask(server.port, 'late400.example'), tcp.ask(composeTestQuery('late400.example', 1))]
    await new Promise((resolve) => setTimeout(resolve, 100))
    server.signal('SIGTERM')
    for (const reply of await Promise.all(inFlight)) assert.ok(reply)
    assert.equal(await server.ended(), 0)
    assert.ok(server.lines.includes('[INFO] SIGTERM: Shutting down servers then terminating'))
    assert.equal(existsSync(pidfile), false)
    tcp.close()
  })

  test('lameduck: answers until it is over', async () => {
    const corefile = '.:PORT {\n  whoami\n  health 127.0.0.1:PORT1 {\n    lameduck 600ms\n  }\n}\n'
    const server = await startStub({ processes }, corefile)
    server.signal('SIGTERM')
    await server.line(/lameduck/)
    await using steady = steadyQueries({ port: server.port, perSecond: 200 })
    await new Promise((resolve) => setTimeout(resolve, 300))
    assert.deepEqual(await steady.stop(), { sent: steady.sent, lost: 0 })
    assert.equal(await server.ended(), 0)
  })

  test('SIGINT exits 0; SIGQUIT exits 0; SIGHUP is ignored', async () => {
    const server = await startStub({ processes })
    server.signal('SIGHUP')
    assert.ok(await ask(server.port))
    server.signal('SIGINT')
    assert.equal(await server.ended(), 0)
    assert.ok(server.lines.includes('[INFO] SIGINT: Shutting down'))
    const other = await startStub({ processes })
    other.signal('SIGQUIT')
    assert.equal(await other.ended(), 0)
  })

  test('a second SIGINT exits 2', async () => {
    const server = await startStub(
      { processes },
      '.:PORT {\n  whoami\n  health 127.0.0.1:PORT1 {\n    lameduck 30s\n  }\n}\n',
    )
    server.signal('SIGINT')
    await server.line(/SIGINT: Shutting down/)
    server.signal('SIGINT')
    assert.equal(await server.ended(), 2)
  })

  test('an exception on the event loop costs the query, not the process', async () => {
    const server = await startStub({ processes })
    assert.equal(await ask(server.port, 'throw.example', 200), undefined)
    await server.line(/\[ERROR\] the event loop met an exception at query [0-9a-f]+: Error: thrown by the stub/)
    await answering(server.port, processes)
  })

  test('reloads, good and bad, under steady queries: none lost, and the new one after the old', async () => {
    const server = await startStub({ processes })
    const newest = { generation: 0, atMs: Number.POSITIVE_INFINITY }
    const wrong: string[] = []
    await using steady = steadyQueries({
      port: server.port,
      perSecond: 1500,
      onReply(reply, sentAtMs) {
        const { generation } = trailerOf(reply)
        if (generation < newest.generation && sentAtMs > newest.atMs)
          wrong.push(`${generation} after ${newest.generation}`)
        if (generation > newest.generation) Object.assign(newest, { generation, atMs: performance.now() })
      },
    })
    for (let i = 0; i < 10; i++) {
      const from = server.lines.length
      if (i % 3 === 1) {
        server.writeCorefile('.:PORT {\n  whoami\n  nosuchplugin\n}\n')
        server.signal('SIGUSR1')
        const line = await server.line(/\[ERROR\] SIGUSR1: /, from)
        assert.match(line, /Corefile:3 - .*nosuchplugin/)
        assert.match(await server.line(/\[ERROR\] Restart failed: /, from), /Corefile:3/)
      } else if (i % 3 === 2) {
        server.writeCorefile('bad.example:PORT {\n  whoami\n}\n')
        server.signal('SIGUSR1')
        await server.line(/\[ERROR\] SIGUSR1: the stub refuses this configuration/, from)
      } else {
        server.writeCorefile(`.:PORT {\n  whoami\n  # ${i}\n  debug\n}\n`)
        server.signal('SIGUSR1')
        await server.line(/\[INFO\] Reloading complete/, from)
      }
      const lines = server.lines.slice(from)
      assert.deepEqual(lines.slice(0, 2), ['[INFO] SIGUSR1: Reloading', '[INFO] Reloading'])
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    const { sent, lost } = await steady.stop()
    assert.ok(sent > 100)
    assert.equal(lost, 0)
    assert.deepEqual(wrong, [])
    assert.equal(trailerOf((await ask(server.port))!).generation, 5)
  })

  test('a reload opens what is new, closes what is gone, and keeps TCP connections', async () => {
    const server = await startStub({ processes }, '.:PORT {\n  whoami\n}\n.:PORT1 {\n  whoami\n}\n')
    const [kept, gone] = server.ports as [number, number]
    const tcp = openTcpClient(kept)
    assert.ok(await tcp.ask(QUERY))
    const added = await freePort()
    server.writeCorefile(`.:PORT {\n  whoami\n}\n.:${added} {\n  whoami\n}\n`)
    const late = ask(gone, 'late300.example')
    await new Promise((resolve) => setTimeout(resolve, 100))
    server.signal('SIGUSR1')
    await server.line(/Reloading complete/)
    assert.ok(await late, 'in flight at a listener that goes')
    assert.equal(trailerOf((await tcp.ask(QUERY))!).generation, 2)
    assert.equal(trailerOf((await ask(added))!).generation, 2)
    await until('the old port is closed', async () => (await ask(gone, 'now.example', 50)) === undefined)
    tcp.close()
  })

  test('a reload to a port that is taken leaves everything as it was', async () => {
    const server = await startStub({ processes })
    const taken = net.createServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
    const { port } = taken.address() as net.AddressInfo
    server.writeCorefile(`.:PORT {\n  whoami\n}\n.:${port} {\n  bind 127.0.0.1\n  whoami\n}\n`)
    server.signal('SIGUSR1')
    await server.line(new RegExp(`\\[ERROR\\] SIGUSR1: listen tcp 127.0.0.1:${port}: address already in use`))
    assert.equal(trailerOf((await ask(server.port))!).generation, 1)
    // The UDP half that was opened is closed again.
    await until('udp is free', async () => (await ask(port, 'now.example', 50)) === undefined)
    taken.close()
    const from = server.lines.length
    server.signal('SIGUSR1')
    await server.line(/Reloading complete/, from)
    assert.equal(trailerOf((await ask(port))!).generation, 2)
  })

  test('a Corefile that is gone or empty does not bring the default configuration', async () => {
    const server = await startStub({ processes })
    server.writeCorefile('# nothing yet\n')
    server.signal('SIGUSR1')
    await server.line(/\[ERROR\] SIGUSR1: Corefile has no server block/)
    rmSync(join(server.folder, 'Corefile'))
    server.signal('SIGUSR1')
    await server.line(/\[ERROR\] SIGUSR1: loading Caddyfile via flag: open Corefile: no such file/)
    assert.equal(trailerOf((await ask(server.port))!).generation, 1)
  })

  test('counters never go back over a reload', async () => {
    const corefile = '.:PORT {\n  whoami\n  prometheus 127.0.0.1:PORT1\n}\n'
    const server = await startStub({ processes }, corefile)
    const count = async (): Promise<number> => {
      const text = await (await fetch(`http://127.0.0.1:${server.ports[1]}/metrics`)).text()
      assert.match(text, /^shoal_udp_transport_info\{transport="(mmsg|dgram)",.*\} [12]$/m)
      assert.match(text, new RegExp(`^shoal_workers ${processes}$`, 'm'))
      return Number(/^stub_queries_total (\d+)$/m.exec(text)?.[1] ?? 0)
    }
    for (let i = 0; i < 20; i++) await ask(server.port)
    assert.equal(await count(), 20)
    server.signal('SIGUSR1')
    await server.line(/Reloading complete/)
    assert.equal(await count(), 20)
    for (let i = 0; i < 5; i++) await ask(server.port)
    assert.equal(await count(), 25)
  })
}

function testSupervision(): void {
  test('SIGTERM does not wait for a query that is never answered', { timeout: 20_000 }, async () => {
    const server = await startStub({ processes: 2 })
    void ask(server.port, 'late60000.example', 100)
    await new Promise((resolve) => setTimeout(resolve, 100))
    const startedAt = performance.now()
    server.signal('SIGTERM')
    assert.equal(await server.ended(8000), 0)
    assert.ok(performance.now() - startedAt > 4000)
  })

  for (const { title, stop } of [
    { title: 'SIGSTOP', stop: (_server: TestServer, pid: number) => process.kill(pid, 'SIGSTOP') },
    { title: 'an endless loop', stop: (server: TestServer) => void ask(server.port, 'hang.example', 50) },
  ]) {
    test(`a worker that hangs (${title}) is killed by the watchdog and replaced`, async () => {
      const server = await startStub({ limits: { heartbeatMs: 100, silentTicksMax: 5 } })
      const before = await answering(server.port, 2)
      stop(server, [...before][0]!)
      await server.line(/\[ERROR\] worker process \d+ missed 5 heartbeats and is killed/)
      await until('another one answers', async () => {
        const now = await answering(server.port, 2)
        return [...now].some((pid) => !before.has(pid))
      })
    })
  }

  test('a worker whose query crashes it is replaced; a crash loop backs off and turns readiness off until it is over', async () => {
    const corefile = '.:PORT {\n  whoami\n  ready 127.0.0.1:PORT1 {\n    monitor continuously\n  }\n}\n'
    const dies = join(temporaryFolder(), 'dies')
    const server = await startStub(
      { env: { SHOAL_TEST_DIES: dies }, limits: { backoffMs: 50, backoffMsMax: 200 } },
      corefile,
    )
    const isReady = async (): Promise<boolean> =>
      (await fetch(`http://127.0.0.1:${server.ports[1]}/ready`)).status === 200
    assert.equal(await isReady(), true)
    writeFileSync(dies, '')
    void ask(server.port, 'crash.example', 50)
    await server.line(/ended \(exit code 7\) and is replaced/)
    await server.line(/ended \(exit code 9\) again soon after its start, the next one starts in 200 ms/)
    assert.equal(await isReady(), false)
    assert.ok(await ask(server.port), 'the other worker serves')
    rmSync(dies)
    await answering(server.port, 2)
    await until('ready again', isReady)
  })

  test('a worker that dies at the very start ends it with code 1', async () => {
    const dies = join(temporaryFolder(), 'dies')
    writeFileSync(dies, '')
    const server = await spawnStub({ env: { SHOAL_TEST_DIES: dies } })
    assert.equal(await server.ended(), 1)
    assert.match(server.errors.join('\n'), /worker process \d+ ended before it served: exit code 9/)
  })

  test('a worker that is busy while it starts has longer than one that serves', async () => {
    const limits = { heartbeatMs: 50, silentTicksMax: 4 }
    const server = await startStub({ env: { SHOAL_TEST_STARTS_MS: '1500' }, limits })
    await answering(server.port, 2)
    assert.doesNotMatch(server.lines.join('\n'), /is killed/)
    const stuck = await spawnStub({
      env: { SHOAL_TEST_STARTS_MS: '20000' },
      limits: { ...limits, startSilenceMsMax: 2000 },
    })
    assert.equal(await stuck.ended(), 1)
    await stuck.line(/\[ERROR\] worker process \d+ missed 40 heartbeats and is killed/)
  })

  test('workers end when the primary is killed, and ignore signals meant for it', async () => {
    const server = await startStub()
    const workers = await server.workers()
    for (const pid of workers)
      for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1'] as const) process.kill(pid, signal)
    assert.deepEqual([...(await answering(server.port, 2))].sort(), workers.toSorted())
    server.signal('SIGKILL')
    await until('they are gone', () => workers.every((pid) => !isAlive(pid)))
  })

  test('a worker that is killed while a reload is under way gets the new configuration', async () => {
    const server = await startStub()
    const before = await answering(server.port, 2)
    server.writeCorefile('.:PORT {\n  whoami\n  debug\n}\n')
    process.kill([...before][0]!, 'SIGKILL')
    server.signal('SIGUSR1')
    await server.line(/Reloading complete/)
    await until('all answer by the new one', async () => {
      const clients = Array.from({ length: 32 }, () => openUdpClient(server.port))
      const replies = await Promise.all(clients.map((client) => client.ask(QUERY, 1000)))
      for (const client of clients) client.close()
      const trailers = replies.flatMap((reply) => (reply === undefined ? [] : [trailerOf(reply)]))
      return new Set(trailers.map(({ pid }) => pid)).size === 2 && trailers.every(({ generation }) => generation === 2)
    })
  })
}
