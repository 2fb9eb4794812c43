/**
 * `npm run soak [-- --reloads N --kills N --changes N --rate N --processes N]`: the soak in long form, with progress and
 * what it found. Exit code 1 when something was lost or wrong.
 */
import { parseArgs } from 'node:util'
import { kills, type OnRound, reloads, zoneChanges } from './soak.ts'

const { values } = parseArgs({
  options: {
    reloads: { type: 'string', default: '1000' },
    kills: { type: 'string', default: '200' },
    changes: { type: 'string', default: '500' },
    /** Queries per second. */
    rate: { type: 'string', default: '2000' },
    processes: { type: 'string', default: '2' },
  },
})
const number = (name: keyof typeof values): number => {
  const value = Number(values[name])
  if (!Number.isSafeInteger(value) || value < 0) {
    console.error(`--${name} ${values[name]}: a number of 0 or more is needed`)
    process.exit(1)
  }
  return value
}
const common = { processes: number('processes'), perSecond: number('rate') }

/** Queries per second beside kills: what a dying process still takes in is lost, 10 to 20 ms of its share. */
const KILL_RATE = 200

async function part(name: string, rounds: number, run: (onRound: OnRound) => Promise<string>): Promise<void> {
  if (rounds === 0) return
  const startedAt = Date.now()
  const seconds = (): number => Math.round((Date.now() - startedAt) / 1000)
  const onRound: OnRound = (done, of) => {
    if (process.stdout.isTTY) process.stdout.write(`\r${name}: ${done} of ${of}, ${seconds()} s `)
    else if (done % Math.ceil(of / 10) === 0) console.log(`${name}: ${done} of ${of}, ${seconds()} s`)
  }
  try {
    const result = await run(onRound)
    console.log(`${process.stdout.isTTY ? '\r' : ''}${name}: ${rounds} done in ${seconds()} s: ${result}`)
  } catch (error) {
    console.error(`\n${name}: FAILED after ${seconds()} s: ${(error as Error).message}`)
    process.exitCode = 1
  }
}

await part('reloads', number('reloads'), async (onRound) => {
  const { sent } = await reloads({ ...common, rounds: number('reloads'), onRound })
  return `${sent} queries, 0 lost, 0 wrong, metrics and health always up`
})
await part('kills', number('kills'), async (onRound) => {
  const perSecond = Math.min(number('rate'), KILL_RATE)
  const { sent, lost, timesMs } = await kills({
    ...common,
    perSecond,
    rounds: number('kills'),
    wholeMsMax: 500,
    onRound,
  })
  const at = (share: number): number =>
    Math.round(timesMs[Math.min(timesMs.length - 1, Math.floor(timesMs.length * share))]!)
  return `${sent} queries, ${lost} lost, 0 wrong, full strength after ${at(0.5)} ms (median), ${at(0.99)} ms (p99)`
})
await part('zone changes', number('changes'), async (onRound) => {
  const { sent } = await zoneChanges({ ...common, rounds: number('changes'), onRound })
  return `${sent} queries, 0 lost, no older answer after a newer one`
})
