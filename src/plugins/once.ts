/**
 * Imports a plugin's module when it is first asked for, and gives it from then on: import() itself takes as long for a
 * module that is there as reading a small zone, and thousands of blocks ask.
 */
export function once<T>(load: () => Promise<T>): () => Promise<T> {
  let loading: Promise<T> | undefined
  return () => {
    loading ??= load()
    return loading
  }
}
