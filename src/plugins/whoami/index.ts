/** `whoami`: tells clients their own address, port and transport. */
import type { Plugin } from '../../chain/plugin.ts'
import { once } from '../once.ts'
import { expectBare } from '../usage.ts'

const handlerModule = once(() => import('./handler.ts'))

export const plugin: Plugin<null> = {
  name: 'whoami',
  parse(directives) {
    expectBare(directives)
    return null
  },
  handle: async () => (await handlerModule()).answerWhoami,
}
