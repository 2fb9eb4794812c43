/**
 * From which size on `Buffer.prototype.copy` beats a loop, between shared memory and an arena: the bound in
 * src/wire/copy-octets.ts. `bin/node native-free-bench/copy-octets.ts`; nanoseconds per copy, the best of five.
 */
const COPIES = 2_000_000
const ROUNDS = 5
const bufferCopy = Buffer.prototype.copy
const from = new Uint8Array(new SharedArrayBuffer(1 << 16))
const to = new Uint8Array(1 << 16)

function byLoop(fromAt: number, toAt: number, length: number): void {
  for (let i = 0; i < length; i++) to[toAt + i] = from[fromAt + i]!
}

function byCall(fromAt: number, toAt: number, length: number): void {
  bufferCopy.call(from, to, toAt, fromAt, fromAt + length)
}

function nanoseconds(copy: typeof byLoop, length: number): number {
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < ROUNDS; round++) {
    const started = performance.now()
    for (let i = 0; i < COPIES; i++) copy((i * 64) & 0x7fff, (i * 32) & 0x7fff, length)
    best = Math.min(best, ((performance.now() - started) * 1e6) / COPIES)
  }
  return best
}

console.log('octets   loop   call')
for (const length of [4, 8, 16, 20, 24, 28, 32, 48, 64, 128, 512]) {
  const [loop, call] = [nanoseconds(byLoop, length), nanoseconds(byCall, length)]
  console.log(`${String(length).padStart(6)} ${loop.toFixed(1).padStart(6)} ${call.toFixed(1).padStart(6)}`)
}
