/**
 * Imports a plugin's module when it is first asked for, and gives it from then on, at once: import() itself takes as long for a
 * module that is there as reading a small zone, and thousands of blocks ask.
 */
export function once<T extends object>(load: () => Promise<T>): () => T | Promise<T> {
  let loading: Promise<T> | undefined
  let module: T | undefined
  return () => {
    if (module !== undefined) return module
    loading ??= load().then((loaded) => {
      module = loaded
      return loaded
    })
    return loading
  }
}

/** What `open` makes of the module: at once when it is loaded. */
export function opened<T extends object, R>(
  module: () => T | Promise<T>,
  open: (module: T) => R | Promise<R>,
): R | Promise<R> {
  const loaded = module()
  return loaded instanceof Promise ? loaded.then(open) : open(loaded)
}
