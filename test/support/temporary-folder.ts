/** Folders for the files of tests. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const folders: string[] = []

/** A new folder, which is removed when this process (or thread) ends. */
export function temporaryFolder(): string {
  if (folders.length === 0) process.once('exit', removeAll)
  const folder = mkdtempSync(join(tmpdir(), 'shoal-'))
  folders.push(folder)
  return folder
}

function removeAll(): void {
  // A server that is still ending may write once more.
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
}
