/**
 * What the control group of this process grants: processor time and memory. Both versions of Linux's cgroups; a limit of
 * a parent group holds for its children too. Elsewhere, and where nothing can be read, there are no limits.
 */
import { readFileSync } from 'node:fs'
import { posix } from 'node:path'

export interface CgroupLimits {
  /** Processors, a fraction maybe; Infinity without a limit. */
  readonly processors: number
  /** Octets; Infinity without a limit. */
  readonly memorySize: number
}

/** Text of a file, undefined when it can't be read. */
export type ReadText = (path: string) => string | undefined

const MOUNT = '/sys/fs/cgroup'
/** Version 1 writes "no limit" as a number just below 2^63. */
const NO_LIMIT_MIN = 2 ** 60

export function cgroupLimits(readText: ReadText = readFile): CgroupLimits {
  let processors = Number.POSITIVE_INFINITY
  let memorySize = Number.POSITIVE_INFINITY
  for (const line of (readText('/proc/self/cgroup') ?? '').split('\n')) {
    // hierarchy:controllers:path; version 2 has hierarchy 0 and no controllers.
    const [, controllers, path] = line.split(/:([^:]*):/)
    if (path === undefined || controllers === undefined) continue
    if (controllers === '') {
      for (const folder of ancestors(MOUNT, path)) {
        processors = Math.min(processors, quotaOf(readText(`${folder}/cpu.max`)))
        memorySize = Math.min(memorySize, sizeOf(readText(`${folder}/memory.max`)))
      }
      continue
    }
    for (const controller of controllers.split(',')) {
      for (const folder of ancestors(`${MOUNT}/${controller}`, path)) {
        if (controller === 'cpu') {
          const quota = readText(`${folder}/cpu.cfs_quota_us`)?.trim()
          const period = readText(`${folder}/cpu.cfs_period_us`)?.trim()
          processors = Math.min(processors, quotaOf(`${quota} ${period}`))
        } else if (controller === 'memory') {
          memorySize = Math.min(memorySize, sizeOf(readText(`${folder}/memory.limit_in_bytes`)))
        }
      }
    }
  }
  return { processors, memorySize }
}

/** The group's folder and those above it, up to the mount point. Inside a container the mount point is the group itself. */
function* ancestors(mount: string, path: string): Iterable<string> {
  for (let at = posix.normalize(path); ; at = posix.dirname(at)) {
    yield at === '/' ? mount : mount + at
    if (at === '/' || at === '.') return
  }
}

/** `QUOTA PERIOD` in microseconds; `max` or -1 is no limit. */
function quotaOf(text: string | undefined): number {
  const [quota, period] = (text ?? '').trim().split(/\s+/).map(Number)
  if (quota === undefined || period === undefined || !(quota > 0) || !(period > 0)) return Number.POSITIVE_INFINITY
  return quota / period
}

function sizeOf(text: string | undefined): number {
  const size = Number((text ?? '').trim() || Number.NaN)
  return Number.isFinite(size) && size > 0 && size < NO_LIMIT_MIN ? size : Number.POSITIVE_INFINITY
}

function readFile(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
