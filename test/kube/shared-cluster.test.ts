/** A view that follows its block's source over reloads: two sources never work on it at once. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { followCluster, shareCluster } from '../../src/plugins/kubernetes/shared-cluster.ts'
import type { ClusterSource } from '../../src/sources/kubernetes/cluster-source.ts'
import type { ClusterView } from '../../src/sources/kubernetes/publish/cluster-view.ts'
import { aBlock } from '../support/front.ts'

const NOTHING = [] as unknown as Parameters<ClusterView['apply']>

/** A source as its followers see it. */
class FakeSource {
  view: ClusterView | undefined
  removed = false

  addView(view: ClusterView): Promise<void> {
    this.view = view
    return view.replaceAll(...(NOTHING as unknown as Parameters<ClusterView['replaceAll']>))
  }

  removeView(view: ClusterView): void {
    assert.equal(view, this.view)
    this.removed = true
  }
}

test('what the old source had begun ends before the new one begins, and it begins nothing more', async () => {
  const did: string[] = []
  let working = 0
  const work = async (what: string): Promise<void> => {
    assert.equal(++working, 1, what)
    did.push(`${what} begins`)
    await delay(20)
    did.push(`${what} ends`)
    working--
  }
  const view = { replaceAll: () => work('all'), apply: () => work('changes') } as unknown as ClusterView
  const block = aBlock(['.'], [{ name: 'kubernetes' }])
  const [old, young] = [new FakeSource(), new FakeSource()]
  const endOld = shareCluster(block, old as unknown as ClusterSource)
  let published = 0
  const endFollowing = followCluster(block, view, () => published++)
  await delay(40)
  assert.equal(published, 1)
  const [first, second] = [old.view!.apply(...NOTHING), old.view!.apply(...NOTHING)]
  await delay(5)
  const endYoung = shareCluster(block, young as unknown as ClusterSource)
  assert.ok(old.removed)
  await Promise.all([first, second])
  endOld()
  await delay(60)
  assert.equal(published, 2)
  assert.deepEqual(did, ['all begins', 'all ends', 'changes begins', 'changes ends', 'all begins', 'all ends'])
  await old.view!.apply(...NOTHING)
  assert.equal(did.length, 6)
  endFollowing()
  assert.ok(young.removed)
  endYoung()
})

test('what fails is told its source, and the next goes on', async () => {
  let calls = 0
  const view = {
    replaceAll: async () => {
      if (++calls === 1) throw new Error('no room')
    },
    apply: async () => {},
  } as unknown as ClusterView
  const block = aBlock(['.'], [{ name: 'kubernetes' }])
  const source = new FakeSource()
  const end = followCluster(block, view, () => {})
  source.addView = async (turn) => {
    source.view = turn
  }
  const endSharing = shareCluster(block, source as unknown as ClusterSource)
  const all = NOTHING as unknown as Parameters<ClusterView['replaceAll']>
  await assert.rejects(source.view!.replaceAll(...all), /no room/)
  await source.view!.replaceAll(...all)
  assert.equal(calls, 2)
  end()
  endSharing()
})
