/** deploy.sh: what it prints for its options and for what the cluster has. The clusters here are fakes; test/e2e has a real one. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { DEPLOY, deployOffline, FakeCluster, QUERY, runScript } from './fake-cluster.ts'
import { corefileOf, type Manifest, manifest, manifestsOf } from './manifests.ts'

const PROJECT = join(import.meta.dirname, '../..')
const IP = ['--dns-ip', '10.96.0.10']
const VERSION = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8')).version as string

const folder = temporaryFolder()

function file(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

const OWN_COREFILE = `  # begins with blanks, and has a tab
\tcluster.local {
    kubernetes cluster.local clusterset.local {
        pods verified
        multicluster clusterset.local
    }
}
`

/** `want` are parts of the Corefile that follow one another. */
const corefiles: readonly {
  readonly title: string
  readonly args: readonly string[]
  readonly answers?: Readonly<Record<string, string>>
  readonly want: readonly string[]
  readonly not?: RegExp
  readonly name?: string
}[] = [
  {
    title: 'nothing given',
    args: IP,
    want: [
      '.:53 {',
      'kubernetes cluster.local in-addr.arpa ip6.arpa {',
      'pods insecure',
      'forward . /etc/resolv.conf {',
    ],
  },
  {
    title: '--domain, --service-cidr of both families and any prefix, --pods, --upstream in several forms',
    args: [
      ...[...IP, '--domain', 'k8s.example.org.', '-r', '10.96.0.0/12', '--service-cidr=fd00:10:96::/112'],
      ...['--pods', 'verified', '-u', '192.0.2.1,192.0.2.2:5353', '--upstream=[2001:db8::1]:53'],
      ...['-u', 'tls://192.0.2.3%dns.example.org'],
    ],
    want: [
      'kubernetes k8s.example.org 10.96.0.0/12 fd00:10:96::/112 {\n        pods verified\n',
      'fallthrough in-addr.arpa ip6.arpa',
      'forward . 192.0.2.1 192.0.2.2:5353 [2001:db8::1]:53 tls://192.0.2.3%dns.example.org {',
    ],
  },
  {
    title: 'stubDomains and upstreamNameservers',
    args: [],
    answers: {
      [QUERY.addresses]: '10.0.0.10',
      [QUERY.selector]: '{"k8s-app":"kube-dns"}',
      [QUERY.stubDomains]:
        '{\n  "corp.example" : ["192.0.2.10", "192.0.2.11:5353"],\n  "Lab.Example.": ["2001:db8::1"],\n "10.in-addr.arpa": ["ns.example.org"], "empty.example": []}\n',
      [QUERY.upstreams]: '["192.0.2.1", "192.0.2.2:53"]',
    },
    want: [
      'forward . 192.0.2.1 192.0.2.2:53 {',
      'corp.example:53 {\n    errors\n    prometheus :9153\n    forward . 192.0.2.10 192.0.2.11:5353\n    cache 30\n    loop\n}',
      'lab.example:53 {',
      'forward . 2001:db8::1\n',
      '10.in-addr.arpa:53 {',
      'forward . ns.example.org\n',
    ],
    not: /empty\.example/,
  },
  {
    title: '--no-translation',
    args: ['-s'],
    answers: {
      [QUERY.addresses]: '10.0.0.10',
      [QUERY.stubDomains]: '{"corp.example": ["192.0.2.10"]}',
      [QUERY.upstreams]: '["192.0.2.1"]',
    },
    want: ['forward . /etc/resolv.conf {'],
    not: /corp\.example/,
  },
  {
    title: '--upstream goes before upstreamNameservers',
    args: ['-u', '192.0.2.99'],
    answers: { [QUERY.addresses]: '10.0.0.10', [QUERY.upstreams]: '["192.0.2.1"]' },
    want: ['forward . 192.0.2.99 {'],
  },
  {
    title: '--node-local, with stub domains',
    args: ['--node-local', '169.254.20.10', '-r', 'fd00:10:96::/112'],
    answers: { [QUERY.addresses]: '10.0.0.10', [QUERY.stubDomains]: '{"corp.example": ["192.0.2.10"]}' },
    want: [
      'cluster.local:53 fd00:10:96::/112:53 {\n    bind 169.254.20.10\n',
      'forward . 10.0.0.10 {',
      'health 169.254.20.10:8080 {',
      'ready 169.254.20.10:8181',
      'corp.example:53 {\n    bind 169.254.20.10\n',
    ],
    not: /kubernetes/,
    name: 'shoal-node-local',
  },
  {
    title: '--node-local with IPv6',
    args: [...IP, '--offline', '--node-local', 'fd00::20:10'],
    want: ['bind fd00::20:10\n', 'health [fd00::20:10]:8080 {', 'ready [fd00::20:10]:8181'],
    name: 'shoal-node-local',
  },
  { title: '--corefile, as it is', args: [...IP, '--corefile', file('own', OWN_COREFILE)], want: [OWN_COREFILE] },
]

describe('Corefile', { concurrency: 4 }, () => {
  for (const { title, args, answers, want, not, name } of corefiles) {
    test(title, async () => {
      const { status, stdout, stderr } =
        answers === undefined ? await deployOffline(...args) : await new FakeCluster(answers).run('deploy.sh', ...args)
      assert.equal(status, 0, stderr)
      const corefile = corefileOf(stdout, name)
      let at = 0
      for (const part of want) {
        const found = corefile.indexOf(part, at)
        assert.ok(found >= 0, `${JSON.stringify(part)} in\n${corefile}`)
        at = found + part.length
      }
      if (not !== undefined) assert.doesNotMatch(corefile, not)
      const path = file(`check-${title.replace(/[^a-z]/gi, '-')}`, corefile)
      const check = await runScript([join(PROJECT, 'bin/shoal'), 'check', '-conf', path])
      assert.equal(check.status, 0, check.stdout + check.stderr)
      assert.match(check.stdout, /: ok \(/)
      assert.doesNotMatch(check.stdout, /warning/)
    })
  }
})

describe('refused', { concurrency: 4 }, () => {
  const cases: readonly (readonly [args: readonly string[], says: RegExp])[] = [
    [[], /--offline needs --dns-ip/],
    [['--dns-ip', '10.96.0.300'], /--dns-ip: "10\.96\.0\.300" is no IP address, for example 10\.96\.0\.10/],
    [['--dns-ip', '::g'], /is no IP address/],
    [['--dns-ip', '1::2::3'], /is no IP address/],
    [['--dns-ip', '10.0.0.1,10.0.0.2,10.0.0.3'], /at most two addresses/],
    [[...IP, '--domain', 'Cluster.Local'], /--domain: "Cluster\.Local" is no domain name in lower case/],
    [[...IP, '--domain', 'a..b'], /is no domain name/],
    [[...IP, '--domain', 'a b'], /is no domain name/],
    [[...IP, '--domain', 'a\nb'], /more than one line/],
    [[...IP, '--service-cidr', '10.96.0.0'], /--service-cidr: "10\.96\.0\.0" is no network/],
    [[...IP, '--service-cidr', '10.96.0.0/33'], /is no network/],
    [[...IP, '--upstream', '192.0.2.1 }'], /--upstream: "}" is no server/],
    [[...IP, '--pods', 'some'], /--pods: "some" is none of disabled, insecure, verified/],
    [[...IP, '--image', 'a b'], /--image: "a b" is no name of an image/],
    [[...IP, '--replicas', 'two'], /--replicas: "two" is no count/],
    [[...IP, '--memory', '170'.padEnd(6, 'X')], /--memory: "170XXX" is no size/],
    [[...IP, '--processes', '0'], /--processes: "0" is no count/],
    [[...IP, '--node-local', 'lo'], /--node-local: "lo" is no IP address/],
    [[...IP, '--node-local', '169.254.20.10', '-k'], /--node-local has a Corefile of its own/],
    [[...IP, '-f', 'x', '-d', 'a'], /not with --corefile or --keep-corefile/],
    [[...IP, '-k'], /--keep-corefile asks the cluster: not with --offline/],
    [[...IP, '-f', '/nonexistent'], /cannot read \/nonexistent/],
    [[...IP, '-t', '/nonexistent'], /cannot read \/nonexistent/],
    [[...IP, '-t', file('template', 'a: @NOTHING@\n')], /the template uses @NOTHING@, which is unknown/],
    [[...IP, '-x'], /unknown option -x/],
    [[...IP, 'word'], /unexpected argument word/],
    [[...IP, '--offline=yes'], /takes no value/],
    [[...IP, '--image'], /--image needs a value/],
    [[...IP, '--image='], /--image has an empty value/],
  ]
  for (const [args, says] of cases) {
    test(JSON.stringify(args.join(' ')), async () => {
      const { status, stdout, stderr } = await deployOffline(...args)
      assert.ok(status === 1 || status === 2, `exit code ${status}`)
      assert.equal(stdout, '')
      assert.match(stderr, says)
    })
  }

  const texts: readonly (readonly [stubDomains: string, says: RegExp])[] = [
    ['{"corp.example": "192.0.2.1"}', /stubDomains of the ConfigMap kube-dns: expected \[ and found 192\.0\.2\.1/],
    ['{"corp.example": ["192.0.2.1"]', /it ends early/],
    ['{"corp.example": ["192.0.2.1"],}', /expected a string and found }/],
    ['{"corp.example": ["192.0.2.1"]} x', /unexpected x/],
    ['["192.0.2.1"]', /expected { and found \[/],
    ['{"a b": ["192.0.2.1"]}', /a blank name/],
    ['{"a\\u0062": ["192.0.2.1"]}', /unexpected "/],
    ['{"a}b": ["192.0.2.1"]}', /"a}b" is no domain name/],
    ['{"corp.example": ["{"]}', /"{" is no server/],
  ]
  for (const [stubDomains, says] of texts) {
    test(`stubDomains ${stubDomains}`, async () => {
      const cluster = new FakeCluster({ [QUERY.addresses]: '10.0.0.10', [QUERY.stubDomains]: stubDomains })
      const { status, stdout, stderr } = await cluster.run('deploy.sh')
      assert.equal(status, 1)
      assert.equal(stdout, '')
      assert.match(stderr, says)
    })
  }

  test('a cluster that does not answer', async () => {
    const cluster = new FakeCluster()
    cluster.set('down')
    const { status, stdout, stderr } = await cluster.run('deploy.sh')
    assert.equal(status, 1)
    assert.equal(stdout, '')
    assert.match(stderr, /the cluster did not answer: kubectl get service kube-dns/)
  })

  test('a Service that selects other pods, another address, or none', async () => {
    const other = new FakeCluster({ [QUERY.addresses]: '10.0.0.10', [QUERY.selector]: '{"k8s-app":"coredns"}' })
    assert.match((await other.run('deploy.sh')).stderr, /selects {"k8s-app":"coredns"}, not k8s-app: kube-dns/)
    const moved = new FakeCluster({ [QUERY.addresses]: '10.0.0.10' })
    assert.match(
      (await moved.run('deploy.sh', ...IP)).stderr,
      /has address 10\.0\.0\.10, which cannot change to 10\.96\.0\.10/,
    )
    const none = new FakeCluster()
    assert.match(
      (await none.run('deploy.sh')).stderr,
      /no Service kube-dns whose address could be taken: give --dns-ip/,
    )
    assert.match(
      (await none.run('deploy.sh', '-k', '-i', '10.0.0.10')).stderr,
      /no ConfigMap coredns with a Corefile to keep/,
    )
  })
})

describe('manifests', { concurrency: 4 }, () => {
  test('kinds and names, and one label on all of them', async () => {
    const { stdout } = await deployOffline(...IP)
    const found = manifestsOf(stdout)
    assert.deepEqual(
      found.map(({ kind, metadata }) => `${kind} ${metadata.namespace ?? '-'} ${metadata.name}`),
      [
        'ServiceAccount kube-system shoal',
        'ClusterRole - system:shoal',
        'ClusterRoleBinding - system:shoal',
        'ConfigMap kube-system coredns',
        'Deployment kube-system shoal',
        'PodDisruptionBudget kube-system shoal',
        'Service kube-system kube-dns',
      ],
    )
    assert.equal(found[2].roleRef.name, 'system:shoal')
    assert.deepEqual(found[2].subjects, [{ kind: 'ServiceAccount', name: 'shoal', namespace: 'kube-system' }])
  })

  test('the Service finds the pods, under the ports that pods have', async () => {
    const { stdout } = await deployOffline(
      ...IP,
      '--image',
      'registry.example:5000/dns/shoal@sha256:0123',
      '--replicas=3',
    )
    const { metadata, spec } = manifest(stdout, 'Deployment', 'shoal')
    const { template } = spec
    const service = manifest(stdout, 'Service', 'kube-dns')
    const budget = manifest(stdout, 'PodDisruptionBudget', 'shoal')
    assert.equal(metadata.labels['k8s-app'], 'kube-dns')
    assert.equal(spec.replicas, 3)
    assert.deepEqual(service.spec.selector, { 'k8s-app': 'kube-dns' })
    assert.equal(service.spec.clusterIP, '10.96.0.10')
    assert.equal(service.spec.ipFamilyPolicy, undefined)
    for (const labels of [
      service.spec.selector,
      spec.selector.matchLabels,
      budget.spec.selector.matchLabels,
      ...template.spec.topologySpreadConstraints.map((each: Manifest) => each.labelSelector.matchLabels),
    ]) {
      for (const [key, value] of Object.entries(labels)) assert.equal(template.metadata.labels[key], value)
    }
    // The former Deployment's selector is k8s-app alone: this one must not take its pods for its own.
    assert.equal(spec.selector.matchLabels['app.kubernetes.io/name'], 'shoal')

    const [container] = template.spec.containers
    const ports = (list: Manifest[], number: string): string[] =>
      list.map((each) => `${each.name} ${each.protocol} ${each[number]}`)
    const common = ['dns UDP 53', 'dns-tcp TCP 53', 'metrics TCP 9153']
    assert.deepEqual(ports(service.spec.ports, 'port'), common)
    assert.deepEqual(ports(service.spec.ports, 'targetPort'), common)
    assert.deepEqual(ports(container.ports, 'containerPort'), [...common, 'health TCP 8080', 'ready TCP 8181'])
    assert.deepEqual(container.livenessProbe.httpGet, { path: '/health', port: 'health' })
    assert.deepEqual(container.readinessProbe.httpGet, { path: '/ready', port: 'ready' })
    assert.equal(container.image, 'registry.example:5000/dns/shoal@sha256:0123')
    assert.deepEqual(container.args, ['-conf', '/etc/coredns/Corefile'])
    assert.deepEqual(container.volumeMounts, [{ name: 'config-volume', mountPath: '/etc/coredns', readOnly: true }])
    assert.deepEqual(template.spec.volumes[0].configMap, {
      name: 'coredns',
      items: [{ key: 'Corefile', path: 'Corefile' }],
    })
    assert.equal(template.spec.dnsPolicy, 'Default')
    assert.equal(template.spec.priorityClassName, 'system-cluster-critical')
  })

  test('no privilege but port 53', async () => {
    for (const args of [IP, [...IP, '--node-local', '169.254.20.10']]) {
      const { stdout } = await deployOffline(...args)
      const { template } = manifestsOf(stdout).find(({ kind }) => kind === 'Deployment' || kind === 'DaemonSet').spec
      const [container] = template.spec.containers
      const context = { ...template.spec.securityContext, ...container.securityContext }
      assert.deepEqual(context.capabilities, { drop: ['ALL'], add: ['NET_BIND_SERVICE'] })
      assert.equal(context.allowPrivilegeEscalation, false)
      assert.equal(context.readOnlyRootFilesystem, true)
      assert.equal(context.runAsNonRoot, true)
      assert.ok(context.runAsUser > 0)
      assert.deepEqual(context.seccompProfile, { type: 'RuntimeDefault' })
      assert.equal(context.privileged, undefined)
    }
  })

  test('a pod that ends is out of the Service before it stops answering', async () => {
    const { stdout } = await deployOffline(...IP)
    const { spec } = manifest(stdout, 'Deployment', 'shoal').spec.template
    const { periodSeconds, failureThreshold } = spec.containers[0].readinessProbe
    const lameduckSeconds = Number(/lameduck (\d+)s/.exec(corefileOf(stdout))?.[1])
    // As long again for the word to spread.
    assert.ok(periodSeconds * failureThreshold * 2 <= lameduckSeconds)
    assert.ok(spec.terminationGracePeriodSeconds > lameduckSeconds)
    const { rollingUpdate } = manifest(stdout, 'Deployment', 'shoal').spec.strategy
    assert.deepEqual(rollingUpdate, { maxUnavailable: 0, maxSurge: 1 })
  })

  test('dual stack', async () => {
    const { stdout } = await deployOffline('-i', '10.96.0.10', '-i', 'fd00:10:96::a')
    const { spec } = manifest(stdout, 'Service', 'kube-dns')
    assert.deepEqual(spec.clusterIPs, ['10.96.0.10', 'fd00:10:96::a'])
    assert.equal(spec.clusterIP, '10.96.0.10')
    assert.equal(spec.ipFamilyPolicy, 'RequireDualStack')
    const former = new FakeCluster({ [QUERY.addresses]: 'fd00:10:96::a 10.96.0.10' })
    const asked = manifest((await former.run('deploy.sh')).stdout, 'Service', 'kube-dns')
    assert.deepEqual(asked.spec.clusterIPs, ['fd00:10:96::a', '10.96.0.10'])
  })

  test('--memory: never requests more than the limit', async () => {
    for (const [limit, request] of [
      ['170Mi', '128Mi'],
      ['1Gi', '128Mi'],
      ['100Mi', '100Mi'],
      ['130000Ki', '130000Ki'],
      ['500M', '128Mi'],
      ['100000000', '100000000'],
    ] as const) {
      const { stdout } = await deployOffline(...IP, '--memory', limit)
      const { resources } = manifest(stdout, 'Deployment', 'shoal').spec.template.spec.containers[0]
      assert.deepEqual(
        { ...resources.limits, request: String(resources.requests.memory) },
        { memory: /^\d+$/.test(limit) ? Number(limit) : limit, request },
      )
    }
  })

  test('--processes, and a word about many of them', async () => {
    const one = await deployOffline(...IP, '--memory', '255Mi')
    assert.doesNotMatch(one.stderr, /processor/)
    const many = await deployOffline(...IP, '--memory', '256Mi')
    assert.match(many.stderr, /each pod starts a process per processor of its node/)
    for (const more of [[], ['--node-local', '169.254.20.10']]) {
      const { stdout, stderr } = await deployOffline(...IP, '--memory', '1Gi', '--processes', '4', ...more)
      assert.equal(stderr, '')
      const { spec } = manifestsOf(stdout).find(({ kind }) => kind === 'Deployment' || kind === 'DaemonSet').spec
        .template
      assert.deepEqual(spec.containers[0].args, ['-conf', '/etc/coredns/Corefile', '-processes', '4'])
    }
  })

  test('the image is named after the version', async () => {
    const { stdout } = await deployOffline(...IP)
    assert.equal(manifest(stdout, 'Deployment', 'shoal').spec.template.spec.containers[0].image, `shoal:${VERSION}`)
  })

  test('--node-local: its own objects only, and the address on the node', async () => {
    const cluster = new FakeCluster({ [QUERY.addresses]: '10.0.0.10' })
    const { stdout, stderr } = await cluster.run('deploy.sh', '-l', '169.254.20.10', '--tools-image', 'tools:1')
    assert.equal(stderr, '')
    assert.deepEqual(
      manifestsOf(stdout).map(({ kind, metadata }) => `${kind} ${metadata.name}`),
      ['ServiceAccount shoal-node-local', 'ConfigMap shoal-node-local', 'DaemonSet shoal-node-local'],
    )
    const { spec } = manifest(stdout, 'DaemonSet', 'shoal-node-local').spec.template
    assert.equal(spec.hostNetwork, true)
    assert.equal(spec.automountServiceAccountToken, false)
    assert.equal(spec.initContainers[0].image, 'tools:1')
    assert.match(
      spec.initContainers[0].command[2],
      /^ip -o address show dev lo \| grep -qF ' 169\.254\.20\.10\/32 ' \|\|\nip address add/,
    )
    assert.deepEqual(spec.initContainers[0].securityContext.capabilities, { drop: ['ALL'], add: ['NET_ADMIN'] })
    assert.equal(spec.containers[0].livenessProbe.httpGet.host, '169.254.20.10')
    // With the Service's own selector these pods would be taken for the cluster's DNS.
    assert.notEqual(
      manifest(stdout, 'DaemonSet', 'shoal-node-local').spec.template.metadata.labels['k8s-app'],
      'kube-dns',
    )
  })

  test('autoscalers are for the Deployment', () => {
    const load = manifestsOf(readFileSync(join(DEPLOY, 'horizontal-pod-autoscaler.yaml'), 'utf8'))
    assert.deepEqual(load[0].spec.scaleTargetRef, { apiVersion: 'apps/v1', kind: 'Deployment', name: 'shoal' })
    const size = readFileSync(join(DEPLOY, 'proportional-autoscaler.yaml'), 'utf8')
    const { command } = manifest(size, 'Deployment', 'shoal-autoscaler').spec.template.spec.containers[0]
    assert.ok(command.includes('--target=deployment/shoal'))
    assert.ok(command.includes('--configmap=shoal-autoscaler'))
    assert.ok(JSON.parse(manifest(size, 'ConfigMap', 'shoal-autoscaler').data.linear).min >= 2)
  })
})

describe('in a cluster', { concurrency: 4 }, () => {
  const YAML = `apiVersion: apps/v1
kind: Deployment
metadata:
  annotations:
    note: |
      two

      lines
  creationTimestamp: "2026-01-01T00:00:00Z"
  generation: 7
  name: coredns
  namespace: kube-system
  resourceVersion: "5"
  uid: 0-1
spec:
  replicas: 2
  template:
    metadata:
      creationTimestamp: null
status:
  replicas: 2
`
  const FORMER = {
    [QUERY.addresses]: '10.0.0.10',
    [QUERY.selector]: '{"k8s-app":"kube-dns"}',
    [QUERY.behind]: 'coredns 2\nidle 0\n',
    [QUERY.deployments]: 'deployment.apps/coredns\ndeployment.apps/dns-autoscaler\ndeployment.apps/idle\n',
    'deployment coredns --output yaml': YAML,
    'deployment idle --output yaml': YAML.replaceAll('coredns', 'idle'),
    [QUERY.service]: 'kind: Service\nmetadata:\n  name: kube-dns\n  uid: 0-2\nspec: {}\nstatus: {}\n',
    [QUERY.configmap]: 'kind: ConfigMap\nmetadata:\n  name: coredns\ndata:\n  Corefile: old\n',
    [QUERY.corefile]: '.:53 {\n    kubernetes cluster.local {\n        pods verified\n    }\n}\n',
  }

  test('what is there goes along for rollback.sh, and the next step is told', async () => {
    const { status, stdout, stderr } = await new FakeCluster(FORMER).run('deploy.sh')
    assert.equal(status, 0, stderr)
    const { data } = manifest(stdout, 'ConfigMap', 'shoal-former')
    assert.deepEqual(Object.keys(data), [
      'about',
      'deployment.coredns',
      'deployment.idle',
      'service.kube-dns',
      'configmap.coredns',
    ])
    const [former] = manifestsOf(data['deployment.coredns'])
    assert.deepEqual(former, {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { annotations: { note: 'two\n\nlines\n' }, name: 'coredns', namespace: 'kube-system' },
      spec: { replicas: 2, template: { metadata: { creationTimestamp: null } } },
    })
    assert.match(stderr, /the Corefile in the ConfigMap coredns will be replaced; --keep-corefile keeps it/)
    assert.match(stderr, /scale deployment\/dns-autoscaler --replicas=0\n.*scale deployment\/coredns --replicas=0/)
    assert.doesNotMatch(stderr, /deployment\/idle/)
  })

  test('--keep-corefile: no ConfigMap, but the rights that the kept Corefile needs', async () => {
    const { stdout, stderr } = await new FakeCluster(FORMER).run('deploy.sh', '--keep-corefile')
    assert.deepEqual(
      manifestsOf(stdout)
        .filter(({ kind }) => kind === 'ConfigMap')
        .map(({ metadata }) => metadata.name),
      ['shoal-former'],
    )
    assert.deepEqual(manifest(stdout, 'ClusterRole', 'system:shoal').rules[0].resources, [
      'namespaces',
      'services',
      'pods',
    ])
    assert.doesNotMatch(stderr, /will be replaced/)
  })

  test('beside a Shoal that serves, nothing is taken for the former state', async () => {
    const cluster = new FakeCluster({
      ...FORMER,
      [QUERY.shoal]: 'deployment.apps/shoal',
      [QUERY.behind]: 'coredns 0\nshoal 2\n',
    })
    const { stdout, stderr } = await cluster.run('deploy.sh')
    assert.doesNotMatch(stdout, /shoal-former/)
    assert.doesNotMatch(stderr, /--replicas=0/)
  })

  test('federations are told of', async () => {
    const cluster = new FakeCluster({ [QUERY.addresses]: '10.0.0.10', [QUERY.federations]: 'a=b' })
    assert.match((await cluster.run('deploy.sh')).stderr, /federations of the ConfigMap kube-dns have no counterpart/)
  })

  test('it changes nothing', async () => {
    const cluster = new FakeCluster(FORMER)
    await cluster.run('deploy.sh')
    assert.deepEqual(cluster.changes, [])
  })
})

test('--help goes to standard output, and the documentation has the same options', async () => {
  const { status, stdout } = await runScript([join(DEPLOY, 'deploy.sh'), '--help'])
  assert.equal(status, 0)
  const options = [...stdout.matchAll(/^ {2}(?:(-[a-z]), | {4})(--[a-z-]+)/gm)].map(([, short, long]) => [short, long])
  assert.ok(options.length > 15)
  const page = readFileSync(join(PROJECT, 'docs/kubernetes.md'), 'utf8')
  for (const [short, long] of options) {
    if (long === '--help') continue
    assert.match(page, new RegExp(`^\\| ${short === undefined ? '' : `\`${short}\`, `}\`${long}[ \`]`, 'm'))
  }
})
