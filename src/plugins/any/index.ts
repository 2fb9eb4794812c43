/** `any`: RFC 8482 answers for QTYPE ANY. */
import type { Plugin } from '../../chain/plugin.ts'
import { expectBare } from '../usage.ts'

const TYPE_ANY = 255

export const plugin: Plugin<null> = {
  name: 'any',
  parse(directives) {
    expectBare(directives)
    return null
  },
  handle: async () => (await import('./handler.ts')).answerAny,
  front: () => ({ concerns: (query) => query.qtype === TYPE_ANY }),
}
