/** The ClusterRole allows exactly what the kubernetes plugin asks the API server for. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { isReal, openCluster } from '../kube/cluster.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/until.ts'
import { deployOffline } from './fake-cluster.ts'
import { corefileOf, manifest } from './manifests.ts'

const IP = ['--dns-ip', '10.96.0.10']

/** `verb resource.group` of each request that the plugin makes with these lines in its block. */
async function askedFor(lines: string, zones: readonly string[]): Promise<readonly string[]> {
  const cluster = await openCluster()
  try {
    await cluster.open(lines, { zones })
    const rights = (): readonly string[] => [...new Set(cluster.memory!.requests.map(rightOf))].sort()
    // Every list is followed by a watch.
    await until('all watches are open', () => {
      const found = rights()
      const watches = found.filter((right) => right.startsWith('watch '))
      return watches.length > 0 && watches.length * 2 === found.length
    })
    return rights()
  } finally {
    await cluster.close()
  }
}

function rightOf(request: string): string {
  const [method, path = '', how] = request.split(' ')
  const parts = /^\/(?:api|apis\/([a-z.0-9-]+))\/[a-z0-9]+\/([a-z]+)$/.exec(path)
  assert.ok(method === 'GET' && parts !== null, `a list or watch: ${request}`)
  return `${how === 'watch' ? 'watch' : 'list'} ${parts[2]}.${parts[1] ?? ''}`
}

function allowed(text: string): readonly string[] {
  const { rules } = manifest(text, 'ClusterRole', 'system:shoal') as {
    rules: readonly { apiGroups: string[]; resources: string[]; verbs: string[] }[]
  }
  return rules
    .flatMap(({ apiGroups, resources, verbs }) =>
      apiGroups.flatMap((group) => resources.flatMap((name) => verbs.map((verb) => `${verb} ${name}.${group}`))),
    )
    .sort()
}

describe('rights', { skip: isReal && 'a real API server does not tell what it was asked' }, () => {
  for (const pods of ['disabled', 'insecure', 'verified']) {
    test(`pods ${pods}`, async () => {
      const { stdout } = await deployOffline(...IP, '--pods', pods)
      const lines = /kubernetes .* \{\n([\s\S]*?)\n {4}\}/.exec(corefileOf(stdout))![1]!
      assert.deepEqual(allowed(stdout), await askedFor(lines, ['cluster.local', 'in-addr.arpa', 'ip6.arpa']))
    })
  }

  test('multicluster', async () => {
    const folder = temporaryFolder()
    const zones = ['cluster.local', 'clusterset.local']
    const lines = 'multicluster clusterset.local'
    writeFileSync(join(folder, 'Corefile'), `. {\nkubernetes ${zones.join(' ')} {\n${lines} # pods verified\n}\n}\n`)
    const { stdout } = await deployOffline(...IP, '--corefile', join(folder, 'Corefile'))
    assert.deepEqual(allowed(stdout), await askedFor(lines, zones))
  })
})
