/** `minimal`: positive answers go out without authority and additional records. */
import type { Plugin } from '../../chain/plugin.ts'
import { once } from '../once.ts'
import { expectBare } from '../usage.ts'
import { stripMessage } from './strip-message.ts'

const handlerModule = once(() => import('./handler.ts'))

export const plugin: Plugin<null> = {
  name: 'minimal',
  parse(directives) {
    expectBare(directives)
    return null
  },
  handle: async () => (await handlerModule()).answerMinimal,
  // Its work is on wire bytes, so the front may answer from the record store and strip there.
  front: () => ({
    concerns: () => false,
    finish: (_query, _client, reply, start, length) => stripMessage(reply, start, length),
  }),
}
