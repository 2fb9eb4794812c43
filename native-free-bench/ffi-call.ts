/**
 * What one call through node:ffi costs, by how its address argument is declared: recvmmsg on descriptor -1, which the kernel refuses at
 * once, so that the difference is node:ffi's. The transport declares the addresses of its hot calls as the cheapest one here.
 *
 *   bin/node native-free-bench/ffi-call.ts
 */
import ffi from 'node:ffi'
import { getHeapStatistics } from 'node:v8'

const CALLS = 500_000
const ROUNDS = 5
const memory = new ArrayBuffer(4096)
const address = ffi.getRawPointer(memory)

const types = ['pointer', 'u64', 'function'] as const
const calls = types.map((type) => {
  // A library of its own for each: one library gives a symbol one signature.
  const { functions } = ffi.dlopen(null, {
    recvmmsg: { arguments: ['i32', type, 'i32', 'i32', type], return: 'i32' },
  })
  const call = functions.recvmmsg as (fd: number, at: bigint, count: number, flags: number, timeout: bigint) => number
  return (count: number) => {
    let sum = 0
    for (let i = 0; i < count; i++) sum += call(-1, address, 1, 0x40, 0n)
    return sum
  }
})

const results = types.map(() => ({ ns: Number.POSITIVE_INFINITY, octets: 0 }))
for (const call of calls) for (let i = 0; i < 3; i++) call(20_000)
for (let round = 0; round < ROUNDS; round++) {
  for (const [i, call] of calls.entries()) {
    const allocated = allocatedOctets()
    const start = process.hrtime.bigint()
    call(CALLS)
    const ns = Number(process.hrtime.bigint() - start) / CALLS
    if (ns < results[i]!.ns) results[i] = { ns, octets: (allocatedOctets() - allocated) / CALLS }
  }
}
console.log('declared as   ns per call   octets allocated per call')
for (const [i, { ns, octets }] of results.entries()) {
  console.log(`${types[i]!.padEnd(12)} ${ns.toFixed(0).padStart(12)} ${octets.toFixed(0).padStart(27)}`)
}

function allocatedOctets(): number {
  const statistics = getHeapStatistics() as { total_allocated_bytes?: number }
  return statistics.total_allocated_bytes ?? Number.NaN
}
