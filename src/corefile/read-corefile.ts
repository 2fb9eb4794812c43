/** Where a Corefile comes from. */
import { fstatSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { CorefileError } from './corefile-error.ts'

export const DEFAULT_COREFILE = 'Corefile'

export interface CorefileText {
  /** As the operator named it. */
  readonly file: string
  readonly text: string
  /** Absolute folder that its imports and a `plugin.cfg` are looked for in. */
  readonly folder: string
}

/** What is served when there is no Corefile, or none with a server block. */
export function defaultCorefile(port: number): CorefileText {
  return { file: DEFAULT_COREFILE, text: `.:${port} {\nwhoami\nlog\n}\n`, folder: resolve('.') }
}

let standardInput: Promise<string> | undefined

/**
 * Reads the file that `-conf` names, `stdin` for standard input, or `./Corefile`. Undefined when nothing is found:
 * no `./Corefile`, or a standard input that is a terminal. Rejects with a CorefileError for a file that can't be read.
 */
export async function readCorefile(conf: string | undefined): Promise<CorefileText | undefined> {
  if (conf === 'stdin') {
    if (fstatSync(0).isCharacterDevice()) return undefined
    // Read once: a reload finds standard input at its end, and must not take that for an empty Corefile.
    standardInput ??= readStandardInput()
    return { file: 'stdin', text: await standardInput, folder: resolve('.') }
  }
  const file = conf ?? DEFAULT_COREFILE
  try {
    return { file, text: await readFile(file, 'utf8'), folder: dirname(resolve(file)) }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' && conf === undefined) return undefined
    const which = conf === undefined ? 'default' : 'flag'
    const problem = `loading Caddyfile via ${which}: open ${file}: ${errnoText(code)}`
    throw new CorefileError({ file, line: 0, column: 0 }, problem)
  }
}

async function readStandardInput(): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}

const ERRNO_TEXT: ReadonlyMap<string | undefined, string> = new Map([
  ['ENOENT', 'no such file or directory'],
  ['ENOTDIR', 'not a directory'],
  ['EACCES', 'permission denied'],
  ['EISDIR', 'is a directory'],
  ['ELOOP', 'too many levels of symbolic links'],
])

/** An errno name in the system's words. */
export function errnoText(code: string | undefined): string {
  return ERRNO_TEXT.get(code) ?? code ?? 'unknown error'
}
