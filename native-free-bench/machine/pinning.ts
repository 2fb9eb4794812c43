/** Which cores a process may use: server and generator must not share one, or each measures the other. */
import { spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'

/** Cores as taskset lists them: `0` or `0,2`. Undefined where nothing can be pinned: one core, or no taskset. */
export interface Cores {
  server(count: number): string | undefined
  /** One for each process of the generator. */
  readonly load: readonly (string | undefined)[]
  /** For what servers ask: a core of its own where there is one. */
  readonly beside: string | undefined
}

/** Servers on the first cores, of which one needs `serverCores` at most, the generator on the last; nothing pinned where that makes no sense. */
export function chooseCores(serverCores = 1, loadCores = 1): Cores {
  const cores = availableParallelism()
  if (cores < serverCores + loadCores || spawnSync('taskset', ['--version']).status !== 0)
    return { server: () => undefined, load: Array.from({ length: loadCores }, () => undefined), beside: undefined }
  const last = cores - 1
  return {
    server: (count) => Array.from({ length: count }, (_, i) => i).join(','),
    load: Array.from({ length: loadCores }, (_, i) => `${last - i}`),
    beside: `${Math.max(serverCores, last - loadCores)}`,
  }
}

export function coreList(cores: readonly (string | undefined)[]): string | undefined {
  return cores[0] === undefined ? undefined : cores.join(',')
}

/** The command that runs `command` on the cores. */
export function pinned(cores: string | undefined, command: string, args: readonly string[]): [string, string[]] {
  return cores === undefined ? [command, [...args]] : ['taskset', ['-c', cores, command, ...args]]
}
