/** `any`: RFC 8482 answers for QTYPE ANY. */
import type { Plugin } from '../../chain/plugin.ts'
import { once } from '../once.ts'
import { expectBare } from '../usage.ts'

const TYPE_ANY = 255

const handlerModule = once(() => import('./handler.ts'))

export const plugin: Plugin<null> = {
  name: 'any',
  parse(directives) {
    expectBare(directives)
    return null
  },
  handle: async () => (await handlerModule()).answerAny,
  front: () => ({ concerns: (query) => query.qtype === TYPE_ANY }),
}
