/**
 * `cache`: replies that the plugins behind it got from elsewhere are kept for a while.
 *
 *   parse     options.ts       the directive's words
 *   handle    handler.ts       in the pool: which reply may be kept, for how long, with which TTLs
 *   hits      ../../cache/     on the event loop, in front of the whole chain: look-up, prefetch, stale answers
 *
 * The answer cache in front takes CoreDNS's plugin's place, it does not sit on top of it. Replies made from data that
 * the server holds itself (zones, hosts, templates without variables) are in that cache too, but not by this plugin: they don't age, and
 * a change of their data is seen at once, so nothing is gained by holding them to a lifetime.
 */
import type { Plugin } from '../../chain/plugin.ts'
import { once, opened } from '../once.ts'
import { type CacheOptions, parseCache } from './options.ts'

const handlerModule = once(() => import('./handler.ts'))

export const plugin: Plugin<CacheOptions> = {
  name: 'cache',
  parse: parseCache,
  handle: (options, context) => opened(handlerModule, ({ openCache }) => openCache(options, context)),
  // What the record store answers passes the handler unchanged, so the front may answer it without asking.
  front: () => ({ concerns: () => false }),
  opensLate: () => true,
}
