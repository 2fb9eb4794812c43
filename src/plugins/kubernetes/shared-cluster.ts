/**
 * Where plugins that build on `kubernetes` find its source: by the keys of their server block, since every part has a life
 * of its own over reloads. While a new configuration starts beside the old there are two sources for a block; the newer one counts.
 */
import type { BlockConfig } from '../../corefile/server-config.ts'
import type { ClusterSource } from '../../sources/kubernetes/cluster-source.ts'
import type { ClusterView } from '../../sources/kubernetes/publish/cluster-view.ts'

interface Shared {
  readonly sources: ClusterSource[]
  readonly followers: Set<() => void>
}

const blocks = new Map<string, Shared>()

/** The block's source is this one until the returned function is called. */
export function shareCluster(block: BlockConfig, source: ClusterSource): () => void {
  const shared = sharedOf(block)
  shared.sources.push(source)
  for (const follow of shared.followers) follow()
  return () => {
    shared.sources.splice(shared.sources.indexOf(source), 1)
    for (const follow of shared.followers) follow()
    drop(block)
  }
}

/**
 * Publishes the view from the block's source, whichever it is: from another one after a reload. `onPublished` is called when all of it is
 * there, each time. Ends when the returned function is called.
 */
export function followCluster(block: BlockConfig, view: ClusterView, onPublished: () => void): () => void {
  const shared = sharedOf(block)
  const turns = new Turns(view)
  let attached: { readonly source: ClusterSource; readonly turn: Turn } | undefined
  const detach = (): void => {
    if (attached === undefined) return
    attached.turn.end()
    attached.source.removeView(attached.turn)
    attached = undefined
  }
  const follow = (): void => {
    const source = shared.sources.at(-1)
    if (source === attached?.source) return
    detach()
    if (source === undefined) return
    const turn = new Turn(turns)
    attached = { source, turn }
    void source.addView(turn).then(onPublished)
  }
  shared.followers.add(follow)
  follow()
  return () => {
    shared.followers.delete(follow)
    detach()
    drop(block)
  }
}

/** One thing at a time is done to the view, whichever source does it: what the old one had begun ends before the new one begins. */
class Turns {
  readonly view: ClusterView
  #last: Promise<void> = Promise.resolve()

  constructor(view: ClusterView) {
    this.view = view
  }

  run(work: () => Promise<void>): Promise<void> {
    const done = this.#last.then(work)
    this.#last = done.catch(() => {})
    return done
  }
}

/** The view, for one source, until that source is the block's no longer. */
class Turn implements ClusterView {
  readonly #turns: Turns
  #isOver = false

  constructor(turns: Turns) {
    this.#turns = turns
  }

  get freshOnly(): boolean {
    return this.#turns.view.freshOnly === true
  }

  end(): void {
    this.#isOver = true
  }

  replaceAll(...about: Parameters<ClusterView['replaceAll']>): Promise<void> {
    return this.#turns.run(async () => {
      if (!this.#isOver) await this.#turns.view.replaceAll(...about)
    })
  }

  apply(...about: Parameters<ClusterView['apply']>): Promise<void> {
    return this.#turns.run(async () => {
      if (!this.#isOver) await this.#turns.view.apply(...about)
    })
  }
}

function sharedOf(block: BlockConfig): Shared {
  const key = keyOf(block)
  const shared = blocks.get(key) ?? { sources: [], followers: new Set() }
  blocks.set(key, shared)
  return shared
}

function drop(block: BlockConfig): void {
  const shared = blocks.get(keyOf(block))
  if (shared?.sources.length === 0 && shared.followers.size === 0) blocks.delete(keyOf(block))
}

function keyOf({ keys }: BlockConfig): string {
  return JSON.stringify(keys)
}
