/** What the kernel counted for a process and all its descendants. Linux. */

import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

/** Seconds of CPU time, and octets of resident memory (proportional: what processes share counts once). */
export interface Usage {
  readonly user: number
  readonly system: number
}

const clockTicks = Number(spawnSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }).stdout || 100)

/** CPU time used so far by `pid`, its threads, its children, and the children that have ended. Zeros when the process is gone. */
export function cpuTime(pid: number): Usage {
  let user = 0
  let system = 0
  for (const member of tree(pid)) {
    const fields = statFields(member)
    if (fields === undefined) continue
    // utime, stime and those of children waited for: fields 14 to 17 of proc_pid_stat(5), of which two stand before the split.
    user += Number(fields[11]) + Number(fields[13])
    system += Number(fields[12]) + Number(fields[14])
  }
  return { user: user / clockTicks, system: system / clockTicks }
}

/** Proportional set size of the tree in octets. */
export function memoryOctets(pid: number): number {
  let total = 0
  for (const member of tree(pid)) {
    try {
      const kib = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${member}/smaps_rollup`, 'utf8'))
      total += Number(kib?.[1] ?? 0) * 1024
    } catch {} // it ended meanwhile
  }
  return total
}

function tree(pid: number): number[] {
  const members = [pid]
  for (let i = 0; i < members.length; i++) members.push(...children(members[i]!))
  return members
}

function children(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) => {
      const list = readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8')
      return list.split(' ').filter(Boolean).map(Number)
    })
  } catch {
    return []
  }
}

function statFields(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The command's name may hold spaces and parentheses.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch {
    return undefined
  }
}
