/** Targets with a fault, so that the runner can be seen to find one. Not among those that a run takes by itself. */
import { type FuzzTarget, octets, textOf } from '../target.ts'

const about = {
  invariant: 'nothing: the fault is planted',
  corpus: [octets('words without an error'), octets('more of them')],
  words: [octets('fault'), octets('fau')],
}

export const plantedFault: FuzzTarget = {
  ...about,
  name: 'planted-fault',
  run(input) {
    if (textOf(input).includes('fault')) throw new TypeError('planted')
    return true
  },
}

export const plantedHang: FuzzTarget = {
  ...about,
  name: 'planted-hang',
  run(input) {
    while (textOf(input).includes('fault'));
    return true
  },
}
