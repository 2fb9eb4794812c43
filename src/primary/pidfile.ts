/** `-pidfile FILE`: the primary's process id and a newline, mode 0644. */
import { rmSync, writeFileSync } from 'node:fs'

/** Throws the system's error. */
export function writePidfile(path: string): void {
  writeFileSync(path, `${process.pid}\n`, { mode: 0o644 })
}

/** At the end of the process; a file that is gone already is no error. */
export function removePidfile(path: string): void {
  try {
    rmSync(path, { force: true })
  } catch {}
}
