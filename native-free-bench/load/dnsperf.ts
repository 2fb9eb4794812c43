/**
 * dnsperf in place of this suite's closed loop, for figures that owe nothing to its generator. It looks at RCODEs, not at records, and its
 * connections over TCP stay open.
 */
import { execFile } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import { promisify } from 'node:util'
import { coreList, pinned } from '../machine/pinning.ts'
import { readWorkload } from '../workloads/workload.ts'
import type { Job } from './generator.ts'
import { QuerySet } from './query-set.ts'

/** Lines of a file for queries by chance; dnsperf goes through it again and again. */
const LINES = 200_000
/** Lines for each second where no query may come twice. */
const UNIQUE_PER_SECOND = 300_000
const TYPES: Readonly<Record<number, string>> = { 1: 'A', 16: 'TXT', 28: 'AAAA' }

/** What a closed loop is asked for. */
export interface Counted {
  readonly qps: number
  readonly right: number
  readonly wrong: number
  readonly wrongRcode: number
  readonly lost: number
}

export class Dnsperf {
  readonly #cores: readonly (string | undefined)[]
  readonly #file: string
  /** The workload that the file holds. */
  #written = ''
  /** Its queries are asked once: each run has a file of its own. */
  #isUnique = false
  #rcodes: ReadonlySet<string> = new Set()
  #nextSerial = 0

  constructor(cores: readonly (string | undefined)[], folder: string) {
    this.#cores = cores
    this.#file = join(folder, 'dnsperf.txt')
  }

  /** Rejects with what it printed when it fails. */
  async run({ workload: name, address, port, transport, flows, seconds, window = 1000 }: Job): Promise<Counted> {
    if (this.#isUnique || this.#written !== name) {
      const workload = await readWorkload(name)
      const expected = workload.queries()
      const queries = new QuerySet(expected, workload.order)
      this.#isUnique = expected.some(({ unique }) => unique)
      this.#rcodes = new Set(expected.map(({ rcode }) => (rcode === 0 ? 'NOERROR' : 'NXDOMAIN')))
      const lines = this.#isUnique ? seconds * UNIQUE_PER_SECOND : workload.order === 'sequence' ? queries.size : LINES
      await this.#write(queries, Math.ceil(lines))
      this.#written = name
    }
    const options = {
      s: address,
      p: port,
      m: transport,
      d: this.#file,
      l: Math.max(1, Math.round(seconds)),
      c: flows,
      q: window,
      t: 1,
      T: this.#cores.length,
    }
    const list = Object.entries(options).flatMap(([option, value]) => [`-${option}`, `${value}`])
    const [command, args] = pinned(coreList(this.#cores), 'dnsperf', list)
    const { stdout } = await promisify(execFile)(command, args, { maxBuffer: 1 << 24 })
    return readCounts(stdout, this.#rcodes)
  }

  async #write(queries: QuerySet, lines: number): Promise<void> {
    const out = createWriteStream(this.#file)
    const scratch = new Uint8Array(512)
    let text = ''
    for (let i = 0; i < lines; i++) {
      queries.compose(this.#nextSerial++, scratch, 0)
      text += lineOf(scratch)
      if (text.length > 1 << 20) {
        out.write(text)
        text = ''
      }
    }
    out.end(text)
    await finished(out)
  }
}

/** `www.example.org. A` of a composed query. */
function lineOf(query: Uint8Array): string {
  let at = 12
  let name = ''
  while (query[at] !== 0) {
    const end = at + 1 + query[at]!
    name += `${String.fromCharCode(...query.subarray(at + 1, end))}.`
    at = end
  }
  const type = (query[at + 1]! << 8) | query[at + 2]!
  return `${name === '' ? '.' : name} ${TYPES[type] ?? `TYPE${type}`}\n`
}

/** From dnsperf's statistics. */
export function readCounts(output: string, rcodes: ReadonlySet<string>): Counted {
  const figure = (label: string): number => Number(new RegExp(`${label}:\\s+([\\d.]+)`).exec(output)?.[1] ?? Number.NaN)
  const completed = figure('Queries completed')
  if (!(completed >= 0)) throw new Error(`dnsperf printed no statistics: ${output.slice(0, 500)}`)
  let wrongRcode = 0
  const codes = /Response codes:\s+(.*)/.exec(output)?.[1] ?? ''
  for (const [, code, count] of codes.matchAll(/(\w+) (\d+) \(/g)) if (!rcodes.has(code!)) wrongRcode += Number(count)
  return {
    qps: figure('Queries per second'),
    right: completed - wrongRcode,
    wrong: wrongRcode,
    wrongRcode,
    lost: figure('Queries lost'),
  }
}
