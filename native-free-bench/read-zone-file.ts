/**
 * How fast zone files are read, and how long the event loop waits meanwhile: 1,000,000 names with two records each, or
 * as many as `bin/node native-free-bench/read-zone-file.ts NAMES` says. The claim: under 6 s of CPU in one thread, in
 * turns of about 2 ms. (On a machine with other work the longest waits are that work's.)
 */

import { once } from 'node:events'
import { createWriteStream, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { readZoneFile } from '../src/rdata/zone-file/zone-file.ts'

const names = Number(process.argv[2] ?? 1_000_000)
const path = join(tmpdir(), `shoal-read-zone-file-${process.pid}`)
const file = createWriteStream(path)
file.write('$TTL 3600\n@ SOA ns hostmaster 1 3600 600 86400 300\n@ NS ns\nns A 192.0.2.1\n')
for (let i = 0; i < names; ) {
  let text = ''
  for (const end = Math.min(names, i + 10_000); i < end; i++) {
    text += `host-${i} IN A 192.0.2.${i & 255}\n\tIN AAAA 2001:db8::${(i & 0xffff).toString(16)}\n`
  }
  if (!file.write(text)) await once(file, 'drain')
}
file.end()
await once(file, 'close')

const delay = monitorEventLoopDelay({ resolution: 1 })
delay.enable()
const startedMs = performance.now()
const cpuBefore = process.cpuUsage()
let records = 0
for await (const slice of readZoneFile(path, { zone: 'example.' })) records += slice.count
const cpu = process.cpuUsage(cpuBefore)
delay.disable()
rmSync(path)
const ms = (nanoseconds: number) => (nanoseconds / 1e6).toFixed(1)
console.log(
  `${records} records: ${((performance.now() - startedMs) / 1000).toFixed(2)} s, ${((cpu.user + cpu.system) / 1e6).toFixed(2)} s of CPU; event loop waited ${ms(delay.percentile(50))} ms (median), ${ms(delay.percentile(99))} ms (99 %), ${ms(delay.max)} ms (longest)`,
)
