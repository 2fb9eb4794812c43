/** Checks of our own arithmetic, made as modules load. node:assert says the same and takes 10 ms to load in each thread. */
export function assert(condition: boolean, message = 'an assertion does not hold'): asserts condition {
  if (!condition) throw new Error(message)
}
