/**
 * Other DNS servers, started on a port of their own with the same zones, so that answers can be compared. Where one is
 * not installed the tests that need it are skipped and say so, unless SHOAL_REQUIRE_PEERS is set (CI).
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { composeTestQuery, freePort, openUdpClient } from './dns-client.ts'
import { temporaryFolder } from './temporary-folder.ts'

export interface PeerZone {
  /** Without the final dot. */
  readonly apex: string
  /** Absolute path of a zone file. */
  readonly file: string
}

export interface Peer {
  readonly name: string
  readonly port: number
  stop(): Promise<void>
}

export type PeerName = 'knot' | 'nsd' | 'bind'

const PROGRAMS: Record<PeerName, string> = { knot: 'knotd', nsd: 'nsd', bind: 'named' }

/** Absolute path of a program, or undefined. */
export function findProgram(program: string): string | undefined {
  try {
    return execFileSync('sh', ['-c', `PATH=$PATH:/usr/sbin:/sbin command -v ${program}`], { encoding: 'utf8' }).trim()
  } catch {
    return undefined
  }
}

/** Programs that are missing, for a test's `skip`; throws where CI requires them. */
export function missingPrograms(...programs: string[]): string | false {
  const missing = programs.filter((program) => findProgram(program) === undefined)
  if (missing.length === 0) return false
  const text = `not installed here: ${missing.join(', ')}`
  if (process.env['SHOAL_REQUIRE_PEERS'] !== undefined) throw new Error(`${text} (SHOAL_REQUIRE_PEERS is set)`)
  return text
}

export function missingPeers(...names: PeerName[]): string | false {
  return missingPrograms(...names.map((name) => PROGRAMS[name]))
}

/** Starts the server and waits until it answers for the last zone. */
export async function startPeer(name: PeerName, zones: readonly PeerZone[]): Promise<Peer> {
  const folder = temporaryFolder()
  chmodSync(folder, 0o755)
  const port = await freePort()
  const args = { knot: knot, nsd: nsd, bind: bind }[name](folder, port, zones)
  const child = spawn(findProgram(PROGRAMS[name])!, args, { stdio: ['ignore', 'pipe', 'pipe'], cwd: folder })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)))
  try {
    await answering(name, child, port, zones, () => output)
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  }
  return {
    name,
    port,
    async stop() {
      const ended = new Promise((resolve) => child.once('close', resolve))
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), 3000)
      await ended
      clearTimeout(timer)
    },
  }
}

async function answering(
  name: string,
  child: ChildProcess,
  port: number,
  zones: readonly PeerZone[],
  output: () => string,
): Promise<void> {
  const client = openUdpClient(port)
  try {
    for (let i = 0; i < 100; i++) {
      if (child.exitCode !== null) throw new Error(`${name} ended with code ${child.exitCode}:\n${output()}`)
      const replies = await Promise.all(zones.map(({ apex }) => client.ask(composeTestQuery(apex, 6), 300)))
      if (replies.every((reply) => reply !== undefined && (reply[3]! & 15) === 0 && reply[7] === 1)) return
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    throw new Error(`${name} doesn't answer for its zones:\n${output()}`)
  } finally {
    client.close()
  }
}

function knot(folder: string, port: number, zones: readonly PeerZone[]): string[] {
  mkdirSync(join(folder, 'db'))
  const config = [
    `server:\n    listen: 127.0.0.1@${port}\n    rundir: "${folder}"\n    pidfile: "${folder}/knot.pid"`,
    '    udp-workers: 1\n    tcp-workers: 1\n    background-workers: 1',
    `database:\n    storage: "${folder}/db"`,
    'log:\n  - target: stderr\n    any: warning',
    'template:\n  - id: default\n    zonefile-sync: -1\n    journal-content: none\n    semantic-checks: off',
    'zone:',
    ...zones.map(({ apex, file }) => `  - domain: "${apex}."\n    file: "${file}"`),
  ].join('\n')
  writeFileSync(join(folder, 'knot.conf'), config)
  return ['-c', join(folder, 'knot.conf')]
}

function nsd(folder: string, port: number, zones: readonly PeerZone[]): string[] {
  const config = [
    `server:\n  ip-address: 127.0.0.1@${port}\n  username: ""\n  chroot: ""\n  zonesdir: "${folder}"\n  database: ""`,
    `  pidfile: "${folder}/nsd.pid"\n  xfrdfile: "${folder}/xfrd.state"\n  zonelistfile: "${folder}/zone.list"`,
    `  logfile: "${folder}/nsd.log"\n  server-count: 1\n  minimal-responses: no\n  rrl-ratelimit: 0\n  xfrdir: "${folder}"`,
    'remote-control:\n  control-enable: no',
    ...zones.map(({ apex, file }) => `zone:\n  name: "${apex}"\n  zonefile: "${file}"`),
  ].join('\n')
  writeFileSync(join(folder, 'nsd.conf'), config)
  return ['-d', '-c', join(folder, 'nsd.conf')]
}

function bind(folder: string, port: number, zones: readonly PeerZone[]): string[] {
  const config = [
    `options { directory "${folder}"; listen-on port ${port} { 127.0.0.1; }; listen-on-v6 { none; }; recursion no;`,
    `  pid-file "${folder}/named.pid"; session-keyfile "${folder}/session.key"; dnssec-validation no; minimal-responses no;`,
    '  allow-transfer { none; }; notify no; minimal-any no; check-names primary ignore; empty-zones-enable no; };',
    'controls { };',
    ...zones.map(
      ({ apex, file }) =>
        `zone "${apex}" { type primary; file "${file}"; check-integrity no; check-wildcard no; check-mx ignore; check-srv-cname ignore; check-mx-cname ignore; };`,
    ),
  ].join('\n')
  writeFileSync(join(folder, 'named.conf'), config)
  return ['-g', '-n', '1', '-c', join(folder, 'named.conf')]
}
