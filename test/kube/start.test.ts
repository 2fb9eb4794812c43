/** Starting with and without the API, readiness, accounts that change, and what is counted. Runs on the API in memory and on a real one. */
import assert from 'node:assert/strict'
import { chmodSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import test from 'node:test'
import { plugin } from '../../src/plugins/kubernetes/index.ts'
import { inClusterAccess } from '../../src/sources/kubernetes/api/api-access.ts'
import { ApiClient } from '../../src/sources/kubernetes/api/api-client.ts'
import { kubeconfigAccess } from '../../src/sources/kubernetes/api/kubeconfig.ts'
import { makeCertificates } from '../support/certificates.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/until.ts'
import { type Cluster, openCluster } from './cluster.ts'
import { namespace, service, slice } from './objects.ts'
import { TroubleProxy } from './trouble-proxy.ts'

const WEB = service('shop/web', { ips: ['10.96.7.1'], ports: ['http/TCP:80'] })
const NAME = 'web.shop.svc.cluster.local'
const folder = temporaryFolder()
const file = (name: string, text: string, mode = 0o600): string => {
  const path = join(folder, name)
  writeFileSync(path, text)
  chmodSync(path, mode)
  return path
}
/** A kubeconfig. */
const configOf = ({ url, account: { ca } }: Pick<Cluster, 'url' | 'account'>, user: object): string =>
  JSON.stringify({
    'current-context': 'x',
    contexts: [{ name: 'x', context: { cluster: 'x', user: 'x' } }],
    clusters: [
      {
        name: 'x',
        cluster: {
          server: url,
          ...(ca === undefined ? {} : { 'certificate-authority-data': Buffer.from(ca).toString('base64') }),
        },
      },
    ],
    users: [{ name: 'x', user }],
  })

test('without the API: SERVFAIL and not ready, until it comes', async () => {
  const cluster = await openCluster()
  const proxy = await TroubleProxy.start(cluster.url, cluster.account)
  await proxy.goAway()
  await cluster.put(namespace('shop'), WEB)
  const { part, ask, askUntil, chain, close } = await cluster.open('startup_timeout 600ms\nfallthrough', {
    through: proxy.url,
  })
  assert.equal(part.ready(), false)
  assert.equal(await ask(NAME), 'unwritten 2')
  assert.ok(chain.log.lines.includes('INFO waiting for Kubernetes API before starting server'))
  assert.ok(chain.log.lines.includes('WARNING starting server with unsynced Kubernetes API'))
  await proxy.comeBack()
  await askUntil(NAME, 'A', /10\.96\.7\.1/)
  assert.equal(part.ready(), true)
  // Away again: what is known is answered.
  await proxy.goAway()
  assert.match(await ask(NAME), /10\.96\.7\.1/)
  assert.equal(part.ready(), true)
  await until('the gauge says so', async () =>
    /shoal_kubernetes_stale_seconds\{host="[^"]+"\} 0*[1-9.]/.test(await chain.registry.metrics()),
  )
  await close()
  await cluster.close()
})

test('an API that refuses us: not ready, and said', async () => {
  const cluster = await openCluster({ token: 'right' })
  const { chain, part, close } = await cluster.open(
    `startup_timeout 300ms\nkubeconfig ${file('wrong', configOf(cluster, { token: 'wrong' }))}`,
  )
  assert.equal(part.ready(), false)
  assert.ok(chain.log.lines.includes('WARNING services: Unauthorized'), chain.log.lines.join('\n'))
  await close()
  await cluster.close()
})

test('a token that is replaced', async () => {
  const cluster = await openCluster({ token: 'one' })
  const proxy = await TroubleProxy.start(
    cluster.url,
    cluster.account.ca === undefined ? {} : { ca: cluster.account.ca },
  )
  const tokenFile = file('token', `${cluster.account.token}\n`)
  assert.ok(tokenFile.startsWith(folder))
  await cluster.put(namespace('shop'), WEB)
  const config = file('rotating', configOf({ ...cluster, url: proxy.url, account: {} }, { tokenFile: 'token' }))
  const { askUntil, part, chain } = await cluster.open(`kubeconfig ${config}`)
  await askUntil(NAME, 'A', /10\.96\.7\.1/)
  const fresh = await cluster.replaceToken()
  const from = part.source.lists.map(({ counts }) => counts.failures)
  // A real API server takes a token that it has just seen for a few seconds more.
  const cutting = setInterval(() => proxy.cut(), 1000)
  await until(
    'the old token is refused',
    async () => {
      const metrics = await chain.registry.metrics()
      return (
        /requests_total\{code="401"/.test(metrics) &&
        part.source.lists.some(({ counts }, i) => counts.failures > from[i]!)
      )
    },
    30_000,
  )
  clearInterval(cutting)
  file('token', fresh)
  await until('watches are open again', () => part.source.staleSeconds === 0, 60_000)
  await cluster.close()
  await proxy.stop()
})

test('what is counted', async () => {
  const cluster = await openCluster()
  await cluster.put(namespace('shop'), WEB)
  const { chain, askUntil } = await cluster.open()
  const triggered = new Date(Date.now() - 3000).toISOString()
  await cluster.put(
    slice('shop/web-a', {
      service: 'web',
      endpoints: ['10.244.0.1'],
      annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': triggered },
    }),
  )
  await askUntil('1.0.244.10.in-addr.arpa', 'PTR', /10-244-0-1/)
  const metrics = await chain.registry.metrics()
  const host = new URL(cluster.url).host
  assert.match(metrics, /dns_programming_duration_seconds_bucket\{le="2\.048",service_kind="cluster_ip"\} 0/)
  assert.match(metrics, /dns_programming_duration_seconds_count\{service_kind="cluster_ip"\} 1/)
  assert.ok(
    metrics.includes(`coredns_kubernetes_rest_client_requests_total{code="200",method="GET",host="${host}"} 6`),
    metrics,
  )
  assert.ok(
    metrics.includes(`coredns_kubernetes_rest_client_request_duration_seconds_count{verb="GET",host="${host}"} 6`),
  )
  assert.ok(
    metrics.includes(`coredns_kubernetes_rest_client_rate_limiter_duration_seconds_count{verb="GET",host="${host}"} 6`),
  )
  assert.ok(metrics.includes(`shoal_kubernetes_synced{host="${host}"} 1`))
  await cluster.close()
})

test('the account of a pod', () => {
  assert.throws(() => inClusterAccess({}), /unable to load in-cluster configuration/)
  const { server } = inClusterAccess({ KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: '443' }, folder)
  assert.equal(server.href, 'https://10.96.0.1/')
  const six = inClusterAccess({ KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '6443' }, folder)
  assert.equal(six.server.host, '[fd00::1]:6443')
})

test('without endpoint outside of a cluster', async () => {
  const { KUBERNETES_SERVICE_HOST: host } = process.env
  if (host !== undefined) return
  const options = { kubeconfig: undefined, endpoint: undefined, tls: undefined } as Parameters<
    NonNullable<typeof plugin.primary>
  >[0]
  await assert.rejects(async () => plugin.primary!(options, {} as never), /unable to load in-cluster configuration/)
})

const certificates = makeCertificates()

test("TLS: a pod's account with a CA that is replaced, and client certificates", {
  skip: certificates === undefined && 'no openssl',
}, async () => {
  const { server: own, ca, client } = certificates!
  const seen: string[] = []
  const server = createServer({ ...own, ca, requestCert: true, rejectUnauthorized: false }, (request, response) => {
    const name = (request.socket as { getPeerCertificate?: () => { subject?: { CN?: string } } }).getPeerCertificate?.()
      ?.subject?.CN
    seen.push(`${request.headers.authorization ?? ''} ${name ?? ''}`.trim())
    response.end('{"items":[]}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const never = new AbortController().signal
  const get = async (apiClient: ApiClient): Promise<void> => {
    const response = await apiClient.get('/api/v1/services', never)
    response.resume()
    await new Promise((resolve) => response.on('end', resolve))
  }
  try {
    file('token', 'first')
    file('ca.crt', 'no certificate')
    const environment = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(port) }
    const inCluster = new ApiClient({ access: inClusterAccess(environment, folder) })
    await assert.rejects(() => get(inCluster))
    file('ca.crt', ca)
    await get(inCluster)
    file('token', 'second one')
    await get(inCluster)
    inCluster.close()
    const config = file(
      'tls-config',
      `
current-context: two
contexts:
- name: one
  context: { cluster: none, user: none }
- name: two
  context: { cluster: here, user: me }
clusters:
- name: here
  cluster:
    server: https://127.0.0.1:${port}
    certificate-authority-data: ${Buffer.from(ca).toString('base64')}
users:
- name: me
  user:
    client-certificate-data: ${Buffer.from(client.cert).toString('base64')}
    client-key-data: ${Buffer.from(client.key).toString('base64')}
`,
    )
    const kubectl = new ApiClient({ access: await kubeconfigAccess(config) })
    await get(kubectl)
    kubectl.close()
    assert.deepEqual(seen.slice(0, 2), ['Bearer first', 'Bearer second one'])
    assert.match(seen[2]!, /\S/)
    await assert.rejects(() => kubeconfigAccess(config, 'one'), /cluster "none" does not exist/)
    await assert.rejects(() => kubeconfigAccess(config, 'three'), /context "three" does not exist/)
    await assert.rejects(() => kubeconfigAccess(join(folder, 'absent')), /no such file or directory/)
  } finally {
    server.closeAllConnections()
    server.close()
  }
})

test('exec: a program gives the token, again when the API refuses it', async () => {
  const counter = join(folder, 'count')
  writeFileSync(counter, '')
  const script = file(
    'login',
    `#!/bin/sh
echo x >> ${counter}
echo "{\\"apiVersion\\":\\"client.authentication.k8s.io/v1\\",\\"kind\\":\\"ExecCredential\\",\\"status\\":{\\"token\\":\\"$PREFIX-$1-$(wc -l < ${counter} | tr -d ' ')\\"}}"
`,
    0o700,
  )
  const config = file(
    'exec-config',
    JSON.stringify({
      'current-context': 'x',
      contexts: [{ name: 'x', context: { cluster: 'x', user: 'x' } }],
      clusters: [{ name: 'x', cluster: { server: 'https://127.0.0.1:1' } }],
      users: [
        {
          name: 'x',
          user: {
            exec: {
              apiVersion: 'client.authentication.k8s.io/v1',
              command: './login',
              args: ['a'],
              env: [{ name: 'PREFIX', value: 'p' }],
            },
          },
        },
      ],
    }),
  )
  assert.ok(script.endsWith('login'))
  const access = await kubeconfigAccess(config)
  assert.equal((await access.credentials()).headers['authorization'], 'Bearer p-a-1')
  assert.equal((await access.credentials()).headers['authorization'], 'Bearer p-a-1')
  access.refused()
  assert.equal((await access.credentials()).headers['authorization'], 'Bearer p-a-2')
})
