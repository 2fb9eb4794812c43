/** What has to be true around each chapter of the walk-through. The keys are its headings, in its order. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { eventually } from '../support/command.ts'
import { Client, type LoadResult, podsOf, statusesIn } from './client.ts'
import { type Cluster, DNS_ADDRESS } from './cluster.ts'
import { IMAGES } from './images.ts'

export interface Chapters {
  readonly cluster: Cluster
  /** Runs the next block of the chapter; gives its standard output. */
  next(): Promise<string>
  say(what: string): void
}

const SELECTOR = 'app.kubernetes.io/name=shoal'
const NODE_LOCAL = '169.254.20.10'
const MEMORY_LIMIT_KIB = 170 * 1024
const PROJECT = join(import.meta.dirname, '../..')
const QUERIES_PER_SECOND = 1000
/** All of them exist all the time. */
const QUESTIONS = [
  'nginx.default.svc.cluster.local A',
  'nginx.default.svc.cluster.local AAAA',
  'kubernetes.default.svc.cluster.local A',
  'db-0.db.default.svc.cluster.local A',
  '_sql._tcp.db.default.svc.cluster.local SRV',
  'www.example.org A',
  'wiki.corp.example A',
]

export const CHECKS: Readonly<Record<string, (chapter: Chapters) => Promise<void>>> = {
  async Deploy({ cluster, next, say }) {
    assert.match(await next(), /deployment\.apps\/kube-dns[\s\S]*service\/kube-dns/)
    const startedAt = performance.now()
    await next()
    say(`deploy.sh, apply, and both pods ready: ${((performance.now() - startedAt) / 1000).toFixed(1)} s`)
    await next()
    await eventually('only Shoal is behind the Service', async () => {
      const slices = await cluster.kubectl([
        ...['get', 'endpointslices', '-n', 'kube-system', '-l', 'kubernetes.io/service-name=kube-dns'],
        ...['-o', 'jsonpath={range .items[*].endpoints[*]}{.targetRef.name}{"\\n"}{end}'],
      ])
      const names = slices.split('\n').filter((line) => line !== '')
      return (names.length === 2 && names.every((name) => name.startsWith('shoal-'))) || undefined
    })
    await checkRights(cluster)
    await checkContainers(cluster)
    for (const name of ['horizontal-pod-autoscaler.yaml', 'proportional-autoscaler.yaml']) {
      await cluster.kubectl(['apply', '--dry-run=server', '-f', join(PROJECT, 'deploy/kubernetes', name)])
    }
  },

  async 'Point the kubelets at it'({ next }) {
    const resolvConf = await next()
    assert.match(resolvConf, new RegExp(`^nameserver ${DNS_ADDRESS}$`, 'm'))
    assert.match(resolvConf, /^search default\.svc\.cluster\.local svc\.cluster\.local cluster\.local/m)
  },

  async 'Start nginx'({ cluster, next }) {
    await next()
    await cluster.kubectl(['apply', '-f', join(import.meta.dirname, 'manifests/headless.yaml')])
    await cluster.kubectl(['rollout', 'status', 'statefulset/db', '--timeout=120s'], { timeoutMs: 130_000 })
  },

  async 'Resolve and fetch it by name'({ cluster, next, say }) {
    const text = await next()
    const address = (await cluster.kubectl(['get', 'service', 'nginx', '-o', 'jsonpath={.spec.clusterIP}'])).trim()
    const lines = text.trim().split('\n')
    assert.deepEqual(lines.slice(0, 3), [address, address, address], 'over UDP, TCP, and the search path')
    assert.match(text, /<title>Welcome to nginx!<\/title>/)
    assert.equal(lines.at(-1), '192.0.2.80', 'from the upstream that the ConfigMap kube-dns names')
    await checkNames(cluster, address)
    say('names right')
    await checkNodeLocal(cluster, address)
    say('node-local: names right')
  },

  async 'Read the logs and the metrics'({ cluster, next }) {
    const text = await next()
    assert.match(text, /^\.:53$/m)
    assert.match(text, /^corp\.example\.:53$/m)
    assert.match(text, /^Shoal-[0-9.]+$/m)
    assert.match(text, /^coredns_dns_requests_total\{server="dns:\/\/:53",zone="\.",/m)
    const client = new Client(cluster)
    for (const { metadata, status } of await podsOf(cluster, 'kube-system', SELECTOR)) {
      const metrics = await client.run('curl', '-s', `http://${status.podIP}:9153/metrics`)
      for (const name of ['coredns_build_info', 'coredns_dns_responses_total', 'process_resident_memory_bytes']) {
        assert.match(metrics, new RegExp(`^${name}[{ ]`, 'm'), `${name} of ${metadata.name}`)
      }
    }
  },

  async 'Change the Corefile'({ cluster, next, say }) {
    const client = new Client(cluster)
    const before = await podsOf(cluster, 'kube-system', SELECTOR)
    const reloading = await client.startLoad(QUERIES_PER_SECOND, QUESTIONS)
    await next()
    for (const { metadata } of before) {
      const log = ['logs', '-n', 'kube-system', metadata.name]
      await eventually(
        `${metadata.name} has read the changed Corefile`,
        async () => (await cluster.kubectl(log)).includes('[INFO] Reloading complete') || undefined,
        120_000,
      )
      const line =
        /^\[INFO\] [0-9.]+:\d+ - \d+ "A IN nginx\.default\.svc\.cluster\.local\. udp \d+ false \d+" NOERROR /m
      await eventually('queries are logged', async () => line.test(await cluster.kubectl(log)) || undefined)
    }
    expectNothingLost('reload', await reloading.stop(), say)
    await checkContainers(cluster)
    say(`largest resident memory: ${((await largestMemoryKib(cluster)) / 1024).toFixed(0)} MiB`)

    const restarting = await client.startLoad(QUERIES_PER_SECOND, QUESTIONS)
    await next()
    await eventually('the former pods are gone', async () => {
      const text = await cluster.kubectl(['get', 'pods', '-n', 'kube-system', '-l', SELECTOR, '-o', 'name'])
      return before.every(({ metadata }) => !text.includes(metadata.name)) || undefined
    })
    expectNothingLost('rolling restart', await restarting.stop(), say)
    await checkContainers(cluster)
  },

  async 'Roll back'({ cluster, next }) {
    await next()
    const client = new Client(cluster)
    assert.deepEqual(await client.ask('who.former.example', 'TXT'), ['"former"'])
    assert.notEqual(await client.rcode('nginx.default.svc.cluster.local'), 'NOERROR')
    const left = await cluster.kubectl([
      ...[
        'get',
        'deployments,services,configmaps,serviceaccounts,poddisruptionbudgets,clusterroles,clusterrolebindings',
      ],
      ...['-A', '-o', 'jsonpath={range .items[*]}{.kind}/{.metadata.name}{"\\n"}{end}'],
    ])
    assert.doesNotMatch(left, /shoal/, 'nothing of Shoal is left')
    assert.doesNotMatch(left, /ConfigMap\/coredns/)
    const ports = [
      'get',
      'service',
      'kube-dns',
      '-n',
      'kube-system',
      '-o',
      'jsonpath={.spec.clusterIP} {.spec.ports[*].name}',
    ]
    assert.equal(await cluster.kubectl(ports), `${DNS_ADDRESS} dns dns-tcp`)
  },
}

/** The account may list and watch what Shoal watches, and nothing else. */
async function checkRights(cluster: Cluster): Promise<void> {
  const account = '--as=system:serviceaccount:kube-system:shoal'
  const may = async (verb: string, resource: string): Promise<boolean> =>
    (await cluster.attempt(['kubectl', 'auth', 'can-i', verb, resource, '-A', account])).stdout.trim() === 'yes'
  for (const resource of ['services', 'namespaces', 'endpointslices.discovery.k8s.io']) {
    assert.ok(await may('list', resource), `list ${resource}`)
    assert.ok(await may('watch', resource), `watch ${resource}`)
    assert.ok(!(await may('get', resource)), `get ${resource}`)
  }
  for (const resource of ['pods', 'secrets', 'configmaps'])
    assert.ok(!(await may('list', resource)), `list ${resource}`)
}

/** Unprivileged, read-only, never restarted, below the memory limit. */
async function checkContainers(cluster: Cluster): Promise<void> {
  const pods = await podsOf(cluster, 'kube-system', SELECTOR)
  assert.equal(pods.length, 2)
  for (const { metadata, status } of pods) {
    const [container] = status.containerStatuses ?? []
    assert.equal(container?.restartCount, 0, `${metadata.name} was never restarted`)
    const statuses = await statusesIn(container!.containerID, 'node-MainThread')
    assert.ok(statuses.length > 0, `processes of ${metadata.name}`)
    for (const process of statuses) {
      assert.equal(process.get('Uid'), '65532\t65532\t65532\t65532')
      assert.equal(process.get('Gid'), '65532\t65532\t65532\t65532')
      assert.equal(process.get('CapBnd'), '0000000000000400', 'NET_BIND_SERVICE alone')
      assert.equal(process.get('NoNewPrivs'), '1')
      assert.equal(process.get('Seccomp'), '2')
    }
    const script =
      'try { fs.writeFileSync("/file", ""); console.log("written") } catch (error) { console.log(error.code) }'
    const args = ['exec', '-n', 'kube-system', metadata.name, '--', '/usr/local/bin/node', '-e', script]
    assert.equal((await cluster.kubectl(args)).trim(), 'EROFS', 'the root file system is read-only')
  }
  const largest = await largestMemoryKib(cluster)
  assert.ok(largest < MEMORY_LIMIT_KIB, `largest resident memory ${largest} KiB is below the limit`)
}

async function largestMemoryKib(cluster: Cluster): Promise<number> {
  const sizes: number[] = []
  for (const { status } of await podsOf(cluster, 'kube-system', SELECTOR)) {
    const statuses = await statusesIn(status.containerStatuses![0]!.containerID, 'node-MainThread')
    sizes.push(statuses.reduce((sum, process) => sum + Number.parseInt(process.get('VmHWM') ?? '', 10), 0))
  }
  return Math.max(...sizes)
}

/** Every kind of name, over UDP and TCP. */
async function checkNames(cluster: Cluster, nginxAddress: string): Promise<void> {
  const client = new Client(cluster)
  const db = await podsOf(cluster, 'default', 'app=db')
  const addressOf = (name: string): string => db.find(({ metadata }) => metadata.name === name)!.status.podIP!
  const zone = 'svc.cluster.local'
  const cases: readonly {
    readonly title: string
    readonly ask: readonly string[]
    readonly want: readonly string[]
  }[] = [
    { title: 'Service', ask: [`nginx.default.${zone}`], want: [nginxAddress] },
    { title: 'Service, no IPv6', ask: [`nginx.default.${zone}`, 'AAAA'], want: [] },
    { title: 'API', ask: [`kubernetes.default.${zone}`], want: ['10.96.0.1'] },
    { title: 'headless', ask: [`db.default.${zone}`], want: [addressOf('db-0'), addressOf('db-1')].sort() },
    { title: 'pod of a headless Service', ask: [`db-1.db.default.${zone}`], want: [addressOf('db-1')] },
    {
      title: 'SRV',
      ask: [`_sql._tcp.db.default.${zone}`, 'SRV'],
      want: [`0 50 80 db-0.db.default.${zone}.`, `0 50 80 db-1.db.default.${zone}.`],
    },
    {
      title: 'SRV of a Service',
      ask: [`_dns._udp.kube-dns.kube-system.${zone}`, 'SRV'],
      want: [`0 100 53 kube-dns.kube-system.${zone}.`],
    },
    { title: 'address of a Service', ask: ['-x', nginxAddress], want: [`nginx.default.${zone}.`] },
    { title: 'address of a pod', ask: ['-x', addressOf('db-0')], want: [`db-0.db.default.${zone}.`] },
    { title: 'address outside', ask: ['-x', '192.0.2.1'], want: ['one.example.org.'] },
    { title: 'pod by its address', ask: ['10-244-0-9.default.pod.cluster.local'], want: ['10.244.0.9'] },
    { title: 'version', ask: ['dns-version.cluster.local', 'TXT'], want: ['"1.1.0"'] },
    { title: 'upstream', ask: ['www.example.org'], want: ['192.0.2.80'] },
    { title: 'upstream, IPv6', ask: ['www.example.org', 'AAAA'], want: ['2001:db8::80'] },
    { title: 'stub domain', ask: ['wiki.corp.example'], want: ['198.51.100.80'] },
    { title: 'second stub domain', ask: ['wiki.lab.example'], want: ['198.51.100.80'] },
    { title: 'search path', ask: ['+search', 'db-0.db'], want: [addressOf('db-0')] },
  ]
  for (const { title, ask, want } of cases) {
    assert.deepEqual(await client.ask(...ask), want, title)
    assert.deepEqual(await client.ask('+tcp', ...ask), want, `${title}, TCP`)
  }
  assert.equal(await client.rcode(`nothing.default.${zone}`), 'NXDOMAIN')
}

/** The DaemonSet beside the Deployment: right answers at the node's address, and a new Service seen at once. */
async function checkNodeLocal(cluster: Cluster, nginxAddress: string): Promise<void> {
  const client = new Client(cluster)
  const flags = `--node-local ${NODE_LOCAL} --tools-image ${IMAGES.tools}`
  await cluster.node(['bash', '-c', `deploy/kubernetes/deploy.sh ${flags} | kubectl apply -f -`], { cwd: PROJECT })
  const status = ['rollout', 'status', '-n', 'kube-system', 'daemonset/shoal-node-local', '--timeout=60s']
  await cluster.kubectl(status, { timeoutMs: 70_000 })
  const at = `@${NODE_LOCAL}`
  assert.deepEqual(await client.ask(at, 'nginx.default.svc.cluster.local'), [nginxAddress])
  assert.deepEqual(await client.ask(at, '+tcp', '-x', nginxAddress), ['nginx.default.svc.cluster.local.'])
  assert.deepEqual(await client.ask(at, 'www.example.org'), ['192.0.2.80'])
  assert.deepEqual(await client.ask(at, 'wiki.corp.example'), ['198.51.100.80'])
  assert.equal(await client.rcode(at, 'later.default.svc.cluster.local'), 'NXDOMAIN')
  await cluster.kubectl(['create', 'service', 'clusterip', 'later', '--tcp=80', '--clusterip=10.96.77.77'])
  await eventually(
    'a Service made later',
    async () => {
      const [address] = await client.ask(at, 'later.default.svc.cluster.local')
      return address === '10.96.77.77' || undefined
    },
    3000,
  )
  await cluster.kubectl(['delete', 'service', 'later'])
  await cluster.kubectl([
    ...['delete', '-n', 'kube-system', 'daemonset/shoal-node-local', 'configmap/shoal-node-local'],
    'serviceaccount/shoal-node-local',
  ])
}

function expectNothingLost(what: string, { sent, lost, rcodes }: LoadResult, say: Chapters['say']): void {
  say(`${what}: ${sent} queries, ${lost} lost, ${JSON.stringify(rcodes)}`)
  assert.equal(lost, 0, `${what}: queries lost`)
  assert.deepEqual(Object.keys(rcodes), ['NOERROR'], `${what}: every name was found`)
}
