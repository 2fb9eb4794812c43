/** Which core a process may use: server and generator must not share one, or each measures the other. */
import { spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'

/** Undefined where nothing can be pinned: one core, or no taskset. */
export interface Cores {
  /** taskset's list for the server: `0` or `0,2`. */
  readonly server: string | undefined
  readonly load: string | undefined
}

/** Server on the first core, generator on the last; nothing pinned where that makes no sense. */
export function chooseCores(serverCores = 1): Cores {
  const cores = availableParallelism()
  if (cores < 2 || spawnSync('taskset', ['--version']).status !== 0) return { server: undefined, load: undefined }
  const server = Array.from({ length: serverCores }, (_, i) => i).join(',')
  return { server, load: `${cores - 1}` }
}

/** The command that runs `command` on the core. */
export function pinned(core: string | undefined, command: string, args: readonly string[]): [string, string[]] {
  return core === undefined ? [command, [...args]] : ['taskset', ['-c', core, command, ...args]]
}
