/** rollback.sh: what it runs, in which order. Against a fake kubectl; test/e2e has a real cluster. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { FakeCluster, formerQuery, QUERY } from './fake-cluster.ts'

const FORMER = {
  [QUERY.formerKeys]: 'about\nconfigmap.coredns\ndeployment.coredns\nservice.kube-dns\n',
  [formerQuery('configmap.coredns')]: 'kind: ConfigMap\n',
  [formerQuery('deployment.coredns')]: 'kind: Deployment\n',
  [formerQuery('service.kube-dns')]: 'kind: Service\n',
  'configmap coredns --output name': 'configmap/coredns',
  'deployment coredns --output name': 'deployment.apps/coredns',
  'service kube-dns --output name': 'service/kube-dns',
}

const SHOAL_GOES = [
  '--namespace kube-system delete --ignore-not-found horizontalpodautoscaler/shoal deployment/shoal-autoscaler configmap/shoal-autoscaler rolebinding/shoal-autoscaler role/shoal-autoscaler serviceaccount/shoal-autoscaler',
  '--namespace kube-system delete --ignore-not-found --cascade=foreground deployment/shoal',
  '--namespace kube-system delete --ignore-not-found poddisruptionbudget/shoal serviceaccount/shoal',
]
const RIGHTS_GO = [
  'delete --ignore-not-found clusterrolebinding/system:shoal clusterrole/system:shoal',
  'delete --ignore-not-found clusterrolebinding/system:shoal-autoscaler clusterrole/system:shoal-autoscaler',
  '--namespace kube-system delete --ignore-not-found configmap/shoal-former',
]

describe('rollback.sh', { concurrency: 4 }, () => {
  test('the former DNS comes back and is ready before Shoal goes', async () => {
    const cluster = new FakeCluster(FORMER)
    const { status, stderr } = await cluster.run('rollback.sh')
    assert.equal(status, 0, stderr)
    assert.deepEqual(cluster.changes, [
      '--namespace kube-system replace --filename -',
      '--namespace kube-system replace --filename -',
      '--namespace kube-system rollout status deployment/coredns --timeout=120s',
      '--namespace kube-system replace --filename -',
      ...SHOAL_GOES,
      ...RIGHTS_GO,
    ])
    assert.equal(cluster.input, '---\nkind: ConfigMap\n---\nkind: Deployment\n---\nkind: Service\n')
  })

  test('what was deleted is made again', async () => {
    const { 'deployment coredns --output name': _, ...rest } = FORMER
    const cluster = new FakeCluster(rest)
    const { stderr } = await cluster.run('rollback.sh', '--timeout', '30')
    assert.match(stderr, /configmap coredns: as it was\n.*deployment coredns: made again/)
    assert.ok(cluster.changes.includes('--namespace kube-system create --filename -'))
    assert.ok(cluster.changes.includes('--namespace kube-system rollout status deployment/coredns --timeout=30s'))
  })

  test('where no DNS was, nothing stays', async () => {
    const cluster = new FakeCluster({ [QUERY.formerKeys]: 'about\n' })
    const { status } = await cluster.run('rollback.sh')
    assert.equal(status, 0)
    assert.deepEqual(cluster.changes, [
      '--namespace kube-system delete --ignore-not-found service/kube-dns',
      ...SHOAL_GOES,
      '--namespace kube-system delete --ignore-not-found configmap/coredns',
      ...RIGHTS_GO,
    ])
  })

  test('former pods that do not get ready: Shoal stays', async () => {
    const cluster = new FakeCluster(FORMER)
    cluster.set('not-ready')
    const { status, stderr } = await cluster.run('rollback.sh')
    assert.equal(status, 1)
    assert.match(stderr, /deployment\/coredns is not ready after 120s\. Shoal still serves; run rollback\.sh again/)
    assert.ok(cluster.changes.every((change) => !change.includes(' delete ')))
  })

  test('without the ConfigMap shoal-former it refuses', async () => {
    const cluster = new FakeCluster()
    const { status, stderr } = await cluster.run('rollback.sh')
    assert.equal(status, 1)
    assert.match(stderr, /no ConfigMap shoal-former: what was there before Shoal is not known/)
    assert.deepEqual(cluster.changes, [])
  })

  test('--dry-run changes nothing and prints the commands', async () => {
    const cluster = new FakeCluster(FORMER)
    const { status, stdout } = await cluster.run('rollback.sh', '--dry-run')
    assert.equal(status, 0)
    assert.deepEqual(cluster.changes, [])
    assert.match(stdout, /^kubectl --namespace kube-system replace --filename -$/m)
    assert.match(
      stdout,
      /^kubectl delete --ignore-not-found clusterrolebinding\/system:shoal clusterrole\/system:shoal$/m,
    )
  })

  test('the node-local DaemonSet stays, with a word about it', async () => {
    const cluster = new FakeCluster({
      ...FORMER,
      'daemonset shoal-node-local --output name': 'daemonset.apps/shoal-node-local',
    })
    assert.match((await cluster.run('rollback.sh')).stderr, /the DaemonSet shoal-node-local stays/)
    assert.ok(cluster.changes.every((change) => !change.includes('node-local')))
  })

  test('a cluster that does not answer, and wrong options', async () => {
    const cluster = new FakeCluster(FORMER)
    assert.match(
      (await cluster.run('rollback.sh', '--timeout=soon')).stderr,
      /--timeout: "soon" is no count of seconds/,
    )
    assert.match((await cluster.run('rollback.sh', '--now')).stderr, /unknown option --now/)
    cluster.set('down')
    const { status, stderr } = await cluster.run('rollback.sh')
    assert.equal(status, 1)
    assert.match(stderr, /the cluster did not answer/)
    assert.deepEqual(cluster.changes, [])
  })
})
