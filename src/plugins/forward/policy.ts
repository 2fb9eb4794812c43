/** In which order a query tries the upstreams. */
import type { Policy } from './options.ts'
import { randomIndex } from './upstream/random-ids.ts'

/** Gives the order for one query: indices of upstreams, each once. The array may be shared: don't change it. */
export type Order = () => readonly number[]

export function openPolicy(policy: Policy, count: number): Order {
  const inOrder = Array.from({ length: count }, (_, index) => index)
  if (count === 1 || policy === 'sequential') return () => inOrder
  if (policy === 'random') return () => shuffled(inOrder)
  // One array per turn, made at once: the chosen upstream first, the others as they were written.
  const turns = inOrder.map((first) => [first, ...inOrder.filter((index) => index !== first)])
  let turn = 0
  return () => {
    turn = (turn + 1) % count
    return turns[turn]!
  }
}

function shuffled(indices: readonly number[]): number[] {
  const order = [...indices]
  for (let i = order.length - 1; i > 0; i--) {
    const other = randomIndex(i + 1)
    const index = order[i]!
    order[i] = order[other]!
    order[other] = index
  }
  return order
}
