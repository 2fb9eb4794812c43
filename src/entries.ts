/**
 * The files that processes and threads are started with. They are named from here, for this module stands at the top of
 * what is run: `src` in a clone, `dist` in the package, where all modules are a few files.
 */
const EXTENSION = import.meta.url.endsWith('.ts') ? '.ts' : '.js'

/** `path` without its extension, from `src`. */
function entry(path: string): URL {
  return new URL(`./${path}${EXTENSION}`, import.meta.url)
}

export const WORKER_PROCESS: URL = entry('worker/main')
export const LOCAL_WORKER: URL = entry('worker/local')
export const POOL_THREAD: URL = entry('pool/serve')
