/** `minimal`: positive answers go out without authority and additional records. */
import type { Plugin } from '../../chain/plugin.ts'
import { expectBare } from '../usage.ts'
import { stripMessage } from './strip-message.ts'

export const plugin: Plugin<null> = {
  name: 'minimal',
  parse(directives) {
    expectBare(directives)
    return null
  },
  handle: async () => (await import('./handler.ts')).answerMinimal,
  // Its work is on wire bytes, so the front may answer from the record store and strip there.
  front: () => ({
    concerns: () => false,
    finish: (_query, _client, reply, start, length) => stripMessage(reply, start, length),
  }),
}
