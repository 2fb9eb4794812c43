import assert from 'node:assert/strict'
import test from 'node:test'
import { plugin } from '../../src/plugins/kubernetes/index.ts'
import { parseLabelSelector } from '../../src/sources/kubernetes/model/label-selector.ts'
import { parseWith } from '../support/directives.ts'

const defaults = {
  zones: ['cluster.local.'],
  primaryZone: 'cluster.local.',
  endpoint: undefined,
  tls: undefined,
  kubeconfig: undefined,
  limits: { qps: 0, burst: 0, inflightMax: 0 },
  namespaces: [],
  labels: undefined,
  namespaceLabels: undefined,
  pods: 'disabled',
  endpointPodNames: false,
  endpoints: true,
  ttlSeconds: 5,
  fallthrough: [],
  ignoreEmpty: false,
  multicluster: [],
  zonal: false,
  startupMs: 5000,
  snapshot: undefined,
  auditMs: 3_600_000,
}
const parse = (text: string, warnings: string[] = []) =>
  parseWith(plugin, text, { zones: ['cluster.local.'], warnings })

const GOOD: readonly (readonly [text: string, change: object])[] = [
  ['kubernetes', {}],
  ['kubernetes cluster.local', {}],
  [
    'kubernetes in-addr.arpa Coredns.local 10.0.0.0/8',
    { zones: ['in-addr.arpa.', 'coredns.local.', '10.in-addr.arpa.'], primaryZone: 'coredns.local.' },
  ],
  ['endpoint http://localhost:9090', { endpoint: 'http://localhost:9090' }],
  ['tls cert key ca', { tls: { cert: 'cert', key: 'key', ca: 'ca' } }],
  ['kubeconfig file', { kubeconfig: { file: 'file', context: undefined } }],
  ['kubeconfig file context', { kubeconfig: { file: 'file', context: 'context' } }],
  ['namespaces demo test', { namespaces: ['demo', 'test'] }],
  ['namespaces demo\nnamespaces test demo', { namespaces: ['demo', 'test'] }],
  ['labels environment=production', { labels: 'environment=production' }],
  [
    'labels environment in (production, staging, qa),application=nginx',
    { labels: 'environment in (production,qa,staging),application=nginx' },
  ],
  ['namespace_labels istio-injection=enabled', { namespaceLabels: 'istio-injection=enabled' }],
  ['pods disabled', {}],
  ['pods insecure', { pods: 'insecure' }],
  ['pods verified', { pods: 'verified' }],
  ['endpoint_pod_names', { endpointPodNames: true }],
  ['noendpoints', { endpoints: false }],
  ['ttl 0', { ttlSeconds: 0 }],
  ['ttl 3600', { ttlSeconds: 3600 }],
  ['fallthrough', { fallthrough: ['.'] }],
  ['fallthrough ip6.arpa inaddr.arpa foo.com', { fallthrough: ['ip6.arpa.', 'inaddr.arpa.', 'foo.com.'] }],
  ['ignore empty_service', { ignoreEmpty: true }],
  ['ignore', {}],
  ['multicluster cluster.local', { multicluster: ['cluster.local.'] }],
  ['multicluster', {}],
  ['zonal', { zonal: true }],
  ['startup_timeout 1m', { startupMs: 60_000 }],
  ['startup_timeout 0s', { startupMs: 0 }],
  ['snapshot /var/lib/shoal/cluster', { snapshot: '/var/lib/shoal/cluster' }],
  ['audit 10m', { auditMs: 600_000 }],
  ['audit 0', { auditMs: 0 }],
  [
    'apiserver_qps 7.5\napiserver_burst 10\napiserver_max_inflight 4',
    { limits: { qps: 7.5, burst: 10, inflightMax: 4 } },
  ],
]
for (const [text, change] of GOOD) {
  test(`accepted: ${text.replaceAll('\n', ' | ')}`, () => {
    assert.deepEqual(parse(text.startsWith('kubernetes') ? text : `kubernetes {\n${text}\n}`), {
      ...defaults,
      ...change,
    })
  })
}

const BAD: readonly (readonly [text: string, problem: RegExp])[] = [
  ['kubernetes in-addr.arpa', /non-reverse zone name must be used/],
  ['kubernetes\nkubernetes', /can only be used once per Server Block/],
  ['endpoint', /Wrong argument count/],
  ['tls cert key', /Wrong argument count/],
  ['kubeconfig', /Wrong argument count/],
  ['kubeconfig a b c', /Wrong argument count/],
  ['namespaces', /Wrong argument count/],
  ['labels', /Wrong argument count/],
  ['labels environment in (production', /unable to parse label selector value: 'environment in \(production'/],
  ['labels app!=web', /"!=" is not a valid label selector operator/],
  ['namespace_labels a b', /unable to parse namespace_label selector value: 'a b'/],
  ['namespaces demo\nnamespace_labels a=b', /namespaces and namespace_labels cannot both be set/],
  ['pods', /Wrong argument count/],
  ['pods giant_seed', /wrong value for pods: giant_seed, {2}must be one of: disabled, verified, insecure/],
  ['endpoint_pod_names x', /Wrong argument count/],
  ['noendpoints x', /Wrong argument count/],
  ['ttl', /Wrong argument count/],
  ['ttl x', /invalid syntax/],
  ['ttl -1', /ttl must be in range \[0, 3600\]: -1/],
  ['ttl 3601', /ttl must be in range \[0, 3600\]: 3601/],
  ['ignore nothing', /unable to parse ignore value: 'nothing'/],
  ['multicluster clusterset.local', /is not authoritative for the multicluster zone clusterset\.local\./],
  ['zonal x', /Wrong argument count/],
  ['zonal\nnoendpoints', /zonal requires the endpoint cache; remove noendpoints/],
  ['startup_timeout', /Wrong argument count/],
  ['snapshot', /Wrong argument count/],
  ['snapshot a b', /Wrong argument count/],
  ['audit', /Wrong argument count/],
  ['audit 5', /audit: "5" is not a duration from 1m on, or 0 for never/],
  ['audit 59s', /not a duration from 1m on/],
  ['audit -1h', /not a duration from 1m on/],
  ['startup_timeout 5', /failed to parse startup_timeout: 5/],
  ['apiserver_qps', /Wrong argument count/],
  ['apiserver_qps x', /invalid apiserver_qps "x"/],
  ['apiserver_qps -1', /apiserver_qps must be >= 0/],
  ['apiserver_burst 1.5', /invalid apiserver_burst "1\.5"/],
  ['apiserver_max_inflight -1', /apiserver_max_inflight must be >= 0/],
  ['resync 5m', /unknown property 'resync'/],
]
for (const [text, problem] of BAD) {
  test(`refused: ${text.replaceAll('\n', ' | ')}`, () => {
    assert.throws(() => parse(text.startsWith('kubernetes') ? text : `kubernetes {\n${text}\n}`), problem)
  })
}

test('several endpoints: the first counts, with a warning', () => {
  const warnings: string[] = []
  assert.equal(parse('kubernetes {\nendpoint http://a:1 http://b:1\n}', warnings).endpoint, 'http://a:1')
  assert.match(warnings.join(), /Multiple endpoints have been deprecated/)
})

test('label selectors', () => {
  const good: readonly (readonly [string, string])[] = [
    ['a=b', 'a=b'],
    ['a == b', 'a=b'],
    ['a=', 'a='],
    ['a', 'a'],
    ['!a', '!a'],
    ['example.org/a in (b,a,b)', 'example.org/a in (a,b)'],
    ['a notin (b), c', 'a notin (b),c'],
  ]
  for (const [text, form] of good) assert.equal(parseLabelSelector(text), form)
  for (const text of ['', 'a=b=c', 'a b', 'a>1', 'a in b', '-a=b', 'a=b,', 'a in (b c)', 'a=ä']) {
    assert.throws(() => parseLabelSelector(text), { code: 'SHOAL_LABEL_SELECTOR' }, text)
  }
})
