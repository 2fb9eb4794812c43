/** What a server under test is. Each kind has a file in this folder, which exports some as its default; the suite finds them there. */
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import type { Workload } from '../workloads/workload.ts'

/** Where and how a server is to run. */
export interface Setup {
  /** For configuration and state; empty at first, the server's own. */
  readonly folder: string
  readonly address: string
  readonly port: number
  /** For /metrics, where the server has it. */
  readonly adminPort: number
  /** Cores that the server has: its worker processes or threads. */
  readonly cores: number
  readonly workload: Workload
  /** Path of the zone's master file. */
  zoneFile(origin: string): string
  /** A server for the workload's zones on another core: for those that forward or cache. */
  readonly upstreamPort: number
  /** The Kubernetes API that the workload asks for; '' for none. */
  readonly clusterUrl: string
}

export interface Command {
  readonly command: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

export interface ServerKind {
  readonly name: string
  /** That it is given; one, if absent. */
  readonly cores?: number
  /** What it says about itself; undefined when it is not installed. */
  version(): string | undefined
  /** Whether it can take the workload. */
  takes(workload: Workload): boolean
  /** Needs the upstream even where the workload is not about forwarding. */
  readonly needsUpstream?: boolean
  /** Gives the same answer to everything: its replies are counted, not checked. */
  readonly unchecked?: boolean
  /** Writes the configuration: its fastest fair one. The command stays in the foreground. */
  prepare(setup: Setup): Command
}

export async function readServers(): Promise<ServerKind[]> {
  const folder = new URL('.', import.meta.url)
  const files = readdirSync(folder).filter((file) => file.endsWith('.ts') && file !== 'server.ts')
  const modules = await Promise.all(
    files.sort().map((file) => import(`./${file}`) as Promise<{ default?: ServerKind[] }>),
  )
  return modules.flatMap((module) => module.default ?? [])
}

/** The same on so many cores. */
export function onCores(kind: ServerKind, cores: number): ServerKind {
  return cores === 1 ? kind : { ...kind, name: `${kind.name}×${cores}`, cores }
}

/** The first line that the command prints; undefined when there is no such command. */
export function firstLine(command: string, ...args: string[]): string | undefined {
  const { stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' })
  return error === undefined ? `${stdout}${stderr}`.split('\n').find((line) => line.trim() !== '') : undefined
}

/** For those that can only answer from zones. */
export function servesZones(workload: Workload): boolean {
  return workload.forward === undefined || workload.forward === 'silent'
}
