/** How many worker processes, and how many pool threads in each. */
import type { ServerConfig } from '../corefile/server-config.ts'
import type { CgroupLimits } from './cgroup.ts'

/**
 * Below this much memory one process with one pool thread does everything: before the first query each further process costs about 60 MiB,
 * each further thread about 20.
 */
const MEMORY_SIZE_MIN = 256 << 20
/** `multisocket 1024` asks for sockets, which are cheap; processes are not. */
const PROCESSES_PER_PROCESSOR_MAX = 4

export interface Machine {
  /** `os.availableParallelism()`. */
  readonly parallelism: number
  readonly limits: CgroupLimits
}

/** `-processes N`, or `multisocket N` of the Corefile, or as many as the machine and its control group grant. */
export function processCount(asked: number | undefined, config: ServerConfig, machine: Machine): number {
  if (asked !== undefined) return asked
  if (machine.limits.memorySize < MEMORY_SIZE_MIN) return 1
  const processors = processorCount(machine)
  const sockets = Math.max(0, ...config.listeners.map((listener) => listener.sockets))
  return sockets > 0 ? Math.min(sockets, processors * PROCESSES_PER_PROCESSOR_MAX) : processors
}

/** `-threads M`, or one where memory is short, or so many that all processes together have one per processor, and each has one. */
export function threadCount(asked: number | undefined, processes: number, machine: Machine): number {
  if (asked !== undefined) return asked
  if (machine.limits.memorySize < MEMORY_SIZE_MIN) return 1
  return Math.max(1, Math.ceil(processorCount(machine) / processes))
}

/** What the machine and its control group grant, rounded. */
export function processorCount({ parallelism, limits }: Machine): number {
  // A quota of 1.5 processors keeps two processes busier than one; a quota of 0.1 still needs one.
  return Math.max(1, Math.min(parallelism, Math.round(limits.processors)))
}
