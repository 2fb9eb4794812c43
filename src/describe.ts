/**
 * `-plugins=verbose`: where the queries of each server block of a Corefile are answered, and which plugins keep them from
 * the fast way. Opens no socket and starts no source.
 */
import type { ServeOptions } from './command-line.ts'
import { Registry } from './observe/prom-client.ts'
import { loadCorefile } from './plugins/load-corefile.ts'
import { loadPlugin } from './plugins/order.ts'
import { prepareOptions } from './primary/plugin-parts.ts'
import { type BlockPlan, planBlock, type Role } from './worker/block-plan.ts'
import { ZoneStore } from './zone/zone-store.ts'

const MEANINGS: Readonly<Record<Role, string>> = {
  setUp: 'set-up only',
  front: 'event loop',
  memory: 'event loop, answers from the record store',
  some: 'pool, for the queries that it concerns; event loop for the others',
  pool: 'pool',
}
/** Nothing is stored in it. */
const STORE_BYTES = 16 << 20

/** Lines for people; with `ok: false` the errors of the Corefile, or of a plugin that can't find what it names. */
export async function describe(
  options: Pick<ServeOptions, 'conf' | 'defaultPort'>,
): Promise<{ readonly ok: boolean; readonly lines: readonly string[] }> {
  const loaded = await loadCorefile(options)
  if (loaded.config === undefined) return { ok: false, lines: loaded.errors.map(({ message }) => message) }
  const closes: (() => void)[] = []
  try {
    const config = await prepareOptions(loaded.config, loadPlugin)
    const about = {
      listeners: config.listeners,
      store: ZoneStore.create({ bytesMax: STORE_BYTES }),
      registry: new Registry(),
      onClose: (close: () => void) => void closes.push(close),
    }
    const lines: string[] = []
    for (const block of config.blocks) {
      const plan = await planBlock(block, about)
      const width = Math.max(0, ...block.plugins.map(({ name }) => name.length))
      lines.push(`${block.at.file}:${block.at.line} ${block.zones.join(' ')} - ${verdict(plan)}`)
      for (const [i, { name }] of block.plugins.entries()) {
        lines.push(`    ${name.padEnd(width)}  ${MEANINGS[plan.roles[i]!]}`)
      }
    }
    return { ok: true, lines }
  } catch (error) {
    return { ok: false, lines: [error instanceof Error ? error.message : String(error)] }
  } finally {
    for (const close of closes) close()
  }
}

function verdict({ block, blockedBy, roles }: BlockPlan): string {
  const named = (role: Role): string =>
    block.plugins
      .filter((_, i) => roles[i] === role)
      .map(({ name }) => name)
      .join(', ')
  const isCached = block.plugins.some(({ name }) => name === 'cache')
  const all = isCached ? 'what the answer cache does not hold' : 'every query'
  if (blockedBy.length > 0) {
    return `${all} goes to the pool: ${blockedBy.join(', ')} is ahead of the record store and concerns them all`
  }
  const [memory, pool] = [named('memory'), named('pool')]
  if (memory === '') return pool === '' ? 'refused on the event loop' : `${all} goes to the pool: ${pool}`
  return `answered on the event loop: ${memory}${pool === '' ? '' : `; other names go to the pool: ${pool}`}`
}
