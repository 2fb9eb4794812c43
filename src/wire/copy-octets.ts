/** Copies octets between any two views, shared or not, without making a view of the part. */
const bufferCopy = Buffer.prototype.copy

/** Below this a loop is faster than the call into V8's runtime: native-free-bench/copy-octets.ts. */
const LOOP_SIZE_MAX = 24

/**
 * Copies `length` octets from `from[fromAt]` to `to[toAt]`; the parts must lie within both views and not overlap.
 * Neither allocates nor, within bounds, throws.
 */
export function copyOctets(from: Uint8Array, fromAt: number, to: Uint8Array, toAt: number, length: number): void {
  if (length <= LOOP_SIZE_MAX) {
    for (let i = 0; i < length; i++) to[toAt + i] = from[fromAt + i]!
    return
  }
  // Buffer's copy takes any Uint8Array as its receiver; `to.set(from.subarray(…))` would allocate a view per reply.
  bufferCopy.call(from as Buffer, to, toAt, fromAt, fromAt + length)
}
