import assert from 'node:assert/strict'
import test from 'node:test'
import { READ_CLIENT, READ_MESSAGE, READ_METADATA } from '../../../src/chain/marks.ts'
import { Reply } from '../../../src/chain/reply.ts'
import { plugin } from '../../../src/plugins/template/index.ts'
import { parseWith } from '../../support/directives.ts'
import { aBlock, aListener, aQuery } from '../../support/front.ts'
import { aChainQuery, closeAll, NEXT_CAUSE, openHandler, type QuerySetting } from '../../support/handler.ts'

const show = (records: readonly unknown[]): string[] =>
  records.map((record) => {
    const { name, ttl, class: rrclass, type, data } = record as Record<string, unknown>
    const text =
      Buffer.isBuffer(data) || Array.isArray(data)
        ? String(data)
        : typeof data === 'object'
          ? Object.values(data as object).join(' ')
          : data
    return `${name} ${ttl} ${rrclass} ${type} ${text}`
  })

interface Case {
  readonly title: string
  readonly corefile: string
  readonly ask: string
  readonly type?: string
  readonly setting?: QuerySetting
  readonly labels?: Record<string, string>
  readonly want:
    | {
        readonly rcode?: number
        readonly answers?: string[]
        readonly authorities?: string[]
        readonly additionals?: string[]
      }
    | { readonly cause: string | RegExp | undefined }
}
const NEXT = { cause: NEXT_CAUSE }
const SERVFAIL = { cause: undefined }
const IP_TEMPLATE = `template IN A example {
match (^|[.])ip-10-(?P<b>[0-9]*)-(?P<c>[0-9]*)-(?P<d>[0-9]*)[.]example[.]$
answer "{{ .Name }} 60 IN A 10.{{ .Group.b }}.{{ .Group.c }}.{{ .Group.d }}"
fallthrough
}`

const cases: readonly Case[] = [
  {
    title: 'groups by name',
    corefile: IP_TEMPLATE,
    ask: 'IP-10-95-12-8.example.',
    want: { answers: ['ip-10-95-12-8.example 60 IN A 10.95.12.8'] },
  },
  { title: 'no match falls through', corefile: IP_TEMPLATE, ask: 'x.example.', want: NEXT },
  { title: 'other zone passes', corefile: IP_TEMPLATE, ask: 'ip-10-1-1-1.example.org.', want: NEXT },
  { title: 'other type passes', corefile: IP_TEMPLATE, ask: 'ip-10-1-1-1.example.', type: 'TXT', want: NEXT },
  {
    title: 'other class passes',
    corefile: IP_TEMPLATE,
    ask: 'ip-10-1-1-1.example.',
    setting: { qclass: 3 },
    want: NEXT,
  },
  {
    title: 'QTYPE ANY fits every type',
    corefile: IP_TEMPLATE,
    ask: 'ip-10-1-1-1.example.',
    type: 'ANY',
    want: { answers: ['ip-10-1-1-1.example 60 IN A 10.1.1.1'] },
  },
  {
    title: 'no match without fallthrough',
    corefile: IP_TEMPLATE.replace('fallthrough', ''),
    ask: 'x.example.',
    want: SERVFAIL,
  },
  {
    title: 'fallthrough for other zones only',
    corefile: IP_TEMPLATE.replace('fallthrough', 'fallthrough b.example'),
    ask: 'x.example.',
    want: SERVFAIL,
  },
  {
    title: 'fallthrough for this zone',
    corefile: IP_TEMPLATE.replace('fallthrough', 'fallthrough b.example'),
    ask: 'x.b.example.',
    want: NEXT,
  },
  {
    title: 'parseInt',
    corefile: `template IN A example {
match ^ip0a(?P<b>[a-f0-9]{2})(?P<c>[a-f0-9]{2})(?P<d>[a-f0-9]{2})[.]example[.]$
answer "{{ .Name }} 60 IN A 10.{{ parseInt .Group.b 16 8 }}.{{ parseInt .Group.c 16 8 }}.{{ parseInt .Group.d 16 8 }}"
}`,
    ask: 'ip0a5f0c09.example.',
    want: { answers: ['ip0a5f0c09.example 60 IN A 10.95.12.9'] },
  },
  {
    title: 'all sections; class, TTL and final dots may be left out',
    corefile: `template IN MX example {
answer "{{ .Name }} 60 MX 10 mail.{{ .Zone }}"
additional "mail.example 3600 IN A 192.0.2.1"
authority "example. IN NS ns0.example"
authority "example. 1h NS ns1.example."
}`,
    ask: 'a.example.',
    type: 'MX',
    want: {
      answers: ['a.example 60 IN MX 10 mail.example'],
      authorities: ['example 3600 IN NS ns0.example', 'example 3600 IN NS ns1.example'],
      additionals: ['mail.example 3600 IN A 192.0.2.1'],
    },
  },
  {
    title: 'several patterns, any one',
    corefile: `template IN A example {
match ^(?P<x>1)[.]a[.] ^(?P<x>2)[.]b[.]
answer "{{ .Name }} 1 A 192.0.2.{{ .Group.x }}"
}`,
    ask: '2.b.example.',
    want: { answers: ['2.b.example 1 IN A 192.0.2.2'] },
  },
  {
    title: 'rcode with SOA, in the class asked',
    corefile: `template ANY ANY invalid {
rcode NXDOMAIN
authority "invalid. 60 {{ .Class }} SOA ns.invalid. hostmaster.invalid. (1 60 60 60 60)"
}`,
    ask: 'x.invalid.',
    setting: { qclass: 3 },
    want: { rcode: 3, authorities: ['invalid 60 CH SOA ns.invalid hostmaster.invalid 1 60 60 60 60'] },
  },
  {
    title: 'rcode SERVFAIL is left to the server',
    corefile: 'template ANY ANY {\nrcode SERVFAIL\n}',
    ask: 'a.',
    want: SERVFAIL,
  },
  {
    title: 'rcode REFUSED is written',
    corefile: 'template ANY ANY {\nrcode REFUSED\n}',
    ask: 'a.',
    want: { rcode: 5 },
  },
  {
    title: 'index out of range',
    corefile: 'template ANY ANY {\nanswer "{{ .Name }} TXT {{ index .Match 2 }}"\n}',
    ask: 'a.',
    want: { cause: /^template: answer:1:\d+: .*index out of range: 2$/ },
  },
  {
    title: 'text that is no record',
    corefile: 'template ANY ANY {\nanswer "{{ .Name }}"\n}',
    ask: 'a.example.',
    want: { cause: /^dns: the type is missing/ },
  },
  {
    title: 'rdata that is none',
    corefile: 'template ANY ANY {\nanswer "{{ .Name }} IN A x"\n}',
    ask: 'a.example.',
    want: { cause: /^dns: / },
  },
  {
    title: 'a template that prints nothing adds no record',
    corefile: 'template ANY ANY {\nanswer "{{ if false }}x{{ end }}"\n}',
    ask: 'a.',
    want: { answers: [] },
  },
  {
    title: 'the next template is tried',
    corefile: `${IP_TEMPLATE}\ntemplate IN A {\nanswer "{{ .Name }} A 192.0.2.9"\n}`,
    ask: 'x.example.',
    want: { answers: ['x.example 3600 IN A 192.0.2.9'] },
  },
  {
    title: 'metadata',
    corefile: 'template IN A {\nanswer "{{ .Meta \\"k/ns\\" }}.{{ .Name }} A 192.0.2.1"\n}',
    ask: 'a.',
    labels: { 'k/ns': 'prod' },
    want: { answers: ['prod.a 3600 IN A 192.0.2.1'] },
  },
  {
    title: 'unknown metadata is empty',
    corefile: 'template IN A {\nanswer "{{ .Meta \\"k/ns\\" }}{{ .Name }} A 192.0.2.1"\n}',
    ask: 'a.',
    want: { answers: ['a 3600 IN A 192.0.2.1'] },
  },
  {
    title: 'the client',
    corefile: 'template IN A {\nanswer "{{ .Name }} A {{ .Remote }}"\n}',
    ask: 'a.',
    want: { answers: ['a 3600 IN A 192.0.2.7'] },
  },
  {
    title: 'the question as asked',
    corefile: 'template IN A {\nanswer "{{ .Question.Name }} A 192.0.2.{{ .Question.Qtype }}"\n}',
    ask: 'Ab.',
    want: { answers: ['Ab 3600 IN A 192.0.2.1'] },
  },
  {
    title: 'the message',
    corefile:
      'template IN TXT {\nanswer "{{ .Name }} TXT {{ .Message.Id }}-{{ .Message.RecursionDesired }}-{{ len .Message.Answer }}"\n}',
    ask: 'a.',
    type: 'TXT',
    want: { answers: ['a 3600 IN TXT 4711-true-0'] },
  },
  // var and expr: CoreDNS's own tables.
  {
    title: 'var: constant',
    corefile: 'template IN A {\nvar ttl 60\nanswer "{{ .Name }} {{ .Var.ttl }} IN A 10.0.0.1"\n}',
    ask: 'a.',
    want: { answers: ['a 60 IN A 10.0.0.1'] },
  },
  {
    title: 'var: chained',
    corefile:
      'template IN A {\nvar a 1\nvar b a + 1\nvar c b * 10\nanswer "{{ .Name }} 60 IN A 10.{{ .Var.a }}.{{ .Var.b }}.{{ .Var.c }}"\n}',
    ask: 'a.',
    want: { answers: ['a 60 IN A 10.1.2.20'] },
  },
  {
    title: 'var: groups',
    corefile:
      'template IN A example. {\nmatch ^(?P<a>[0-9]+)-(?P<b>[0-9]+)[.]example[.]$\nvar a group(\'a\')\nvar b group(2)\nvar whole group(0)\nanswer "{{ .Var.whole }} 60 IN A 10.0.{{ .Var.a }}.{{ .Var.b }}"\n}',
    ask: '12-34.example.',
    want: { answers: ['12-34.example 60 IN A 10.0.12.34'] },
  },
  {
    title: 'var: a missing group is empty',
    corefile:
      'template IN TXT example. {\nvar missing group(\'no\') + group(9)\nanswer "{{ .Name }} 60 IN TXT \\"empty={{ eq .Var.missing `` }}\\""\n}',
    ask: 'a.example.',
    type: 'TXT',
    want: { answers: ['a.example 60 IN TXT empty=true'] },
  },
  {
    title: 'var: of the query',
    corefile:
      'template IN A {\nvar n name()\nvar ip client_ip()\nanswer "{{ .Var.n }} 60 IN A {{ .Var.ip }}"\nadditional "{{ .Var.n }} 60 IN TXT {{ .Type }}"\n}',
    ask: 'a.',
    want: { answers: ['a 60 IN A 192.0.2.7'], additionals: ['a 60 IN TXT A'] },
  },
  {
    title: 'var: a bool decides',
    corefile:
      'template IN A {\nvar local incidr(client_ip(), \'192.0.2.0/24\')\nanswer "{{ .Name }} 60 IN A {{ if .Var.local }}10.0.0.1{{ else }}192.0.2.1{{ end }}"\n}',
    ask: 'a.',
    want: { answers: ['a 60 IN A 10.0.0.1'] },
  },
  {
    title: 'var: fails at run time, also with fallthrough',
    corefile: "template IN A {\nvar bad incidr('no', '10.0.0.0/8')\nanswer \"{{ .Name }} A 10.0.0.1\"\nfallthrough\n}",
    ask: 'a.',
    want: SERVFAIL,
  },
  {
    title: 'var: not evaluated without a match',
    corefile: "template IN A {\nmatch ^b\nvar bad incidr('no', '10.0.0.0/8')\nfallthrough\n}",
    ask: 'a.',
    want: NEXT,
  },
  {
    title: 'expr: true',
    corefile:
      "template IN A {\nexpr name() == 'a.example.'\nexpr type() == 'A'\nanswer \"{{ .Name }} 60 A 10.0.0.1\"\n}",
    ask: 'a.example.',
    want: { answers: ['a.example 60 IN A 10.0.0.1'] },
  },
  {
    title: 'expr: false',
    corefile: 'template IN A {\nexpr name() == \'b.example.\'\nanswer "{{ .Name }} A 10.0.0.1"\n}',
    ask: 'a.example.',
    want: SERVFAIL,
  },
  {
    title: 'expr: false falls through',
    corefile: "template IN A {\nexpr true\nexpr incidr(client_ip(), '10.0.0.0/8')\nfallthrough\n}",
    ask: 'a.example.',
    want: NEXT,
  },
  {
    title: 'expr: with variables',
    corefile:
      'template IN A example {\nmatch ^(?P<n>[0-9]+)[.]\nvar num int(group(\'n\'))\nexpr num > 1\nanswer "{{ .Name }} 60 IN A 10.0.0.{{ .Var.num }}"\nfallthrough\n}',
    ask: '2.example.',
    want: { answers: ['2.example 60 IN A 10.0.0.2'] },
  },
  {
    title: 'expr: any of several networks',
    corefile:
      "template IN A example {\nmatch ^(?P<ip>[0-9]{1,3}(-[0-9]{1,3}){3})[.]\nvar ip replace(group('ip'), '-', '.')\nexpr \"any(['10.0.0.0/8', '192.168.0.0/16'], incidr(ip, #))\"\nanswer \"{{ .Name }} 60 IN A {{ .Var.ip }}\"\nfallthrough\n}",
    ask: '192-168-1-2.example.',
    want: { answers: ['192-168-1-2.example 60 IN A 192.168.1.2'] },
  },
  { title: 'expr: no bool is not true', corefile: 'template IN A {\nexpr 1\nfallthrough\n}', ask: 'a.', want: NEXT },
]
for (const { title, corefile, ask, type, setting, labels, want } of cases) {
  test(title, async (t) => {
    const template = await openHandler(plugin, corefile)
    t.after(() => closeAll(template))
    const query = aChainQuery(ask, type, setting)
    if (labels !== undefined) query.labels = new Map(Object.entries(labels).map(([key, value]) => [key, () => value]))
    const reply = await template.ask(query)
    if ('cause' in want) {
      assert.equal(reply.unwritten, true)
      assert.equal(reply.rcode, want === NEXT ? 5 : 2)
      if (want.cause instanceof RegExp) assert.match(reply.cause!, want.cause)
      else assert.equal(reply.cause, want.cause)
      return
    }
    assert.equal(reply.cause, undefined)
    assert.equal(reply.unwritten, false)
    assert.equal(reply.authoritative, true)
    assert.equal(reply.rcode, want.rcode ?? 0)
    assert.deepEqual(show(reply.sections.answers), want.answers ?? [])
    assert.deepEqual(show(reply.sections.authorities), want.authorities ?? [])
    assert.deepEqual(show(reply.sections.additionals), want.additionals ?? [])
  })
}

test('what a reply was made of', async (t) => {
  const cases: readonly [string, number][] = [
    ['answer "{{ .Name }} A 192.0.2.1"', 0],
    ['answer "{{ .Name }} A {{ .Remote }}"', READ_CLIENT],
    ['answer "{{ .Question.Name }} A 192.0.2.1"', READ_MESSAGE],
    ["answer \"{{ .Name }} A 192.0.2.1\"\nexpr metadata('a/b') == ''", READ_METADATA],
    ['answer "{{ .Name }} A 192.0.2.1"\nexpr size() > 0', READ_MESSAGE],
    ['answer "{{ .Name }} A 192.0.2.1"\nexpr name() != \'\' && !do()', 0],
  ]
  for (const [block, reads] of cases) {
    const template = await openHandler(plugin, `template IN A {\n${block}\n}`)
    t.after(() => closeAll(template))
    const query = aChainQuery('a.example.')
    await template.ask(query)
    assert.equal(query.marks.isFixed, true)
    assert.equal(query.marks.reads, reads, block)
  }
  const passing = await openHandler(plugin, 'template IN A {\nmatch ^b\nfallthrough\n}')
  t.after(() => closeAll(passing))
  const query = aChainQuery('a.example.')
  await passing.ask(query)
  assert.equal(query.marks.isFixed, false)
})

test('a CNAME on an address query is followed through the whole server', async (t) => {
  const asked: string[] = []
  const template = await openHandler(
    plugin,
    'template IN ANY example.net {\nanswer "example.net 60 IN CNAME target.example.com"\n}',
    {
      context: {
        lookup: async (_query, qname, qtype) => {
          asked.push(`${qname} ${qtype}`)
          return Reply.of(
            { answers: [{ type: 'A', name: 'target.example.com', ttl: 1, class: 'IN', data: '192.0.2.1' }] },
            { truncated: true },
          )
        },
      },
    },
  )
  t.after(() => closeAll(template))
  const reply = await template.ask(aChainQuery('example.net.'))
  assert.deepEqual(asked, ['target.example.com. 1'])
  assert.deepEqual(show(reply.sections.answers), [
    'example.net 60 IN CNAME target.example.com',
    'target.example.com 1 IN A 192.0.2.1',
  ])
  assert.equal(reply.truncated, true)
  const other = await template.ask(aChainQuery('example.net.', 'TXT'))
  assert.equal(other.sections.answers.length, 1)
  const failing = await openHandler(plugin, 'template IN ANY {\nanswer "example.net 60 IN CNAME target.example.com"\n}')
  t.after(() => closeAll(failing))
  assert.equal((await failing.ask(aChainQuery('example.net.'))).sections.answers.length, 1)
})

test('ederror', async (t) => {
  const template = await openHandler(
    plugin,
    'template ANY ANY {\nrcode NXDOMAIN\nederror 21 "Blocked according to RFC2606"\n}',
  )
  t.after(() => closeAll(template))
  const { options } = await template.ask(aChainQuery('a.'))
  assert.equal(options[0]!.code, 15)
  assert.equal(Buffer.from(options[0]!.data).toString('latin1'), '\x00\x15Blocked according to RFC2606')
})

test('metrics', async (t) => {
  const template = await openHandler(
    plugin,
    'template IN A a {\nanswer "{{ .Name }} A 192.0.2.1"\n}\ntemplate IN A b {\nanswer "{{ index .Match 5 }}"\n}\ntemplate IN A c {\nauthority "nonsense"\n}',
  )
  t.after(() => closeAll(template))
  for (const qname of ['x.a.', 'y.a.', 'x.b.', 'x.c.']) await template.ask(aChainQuery(qname))
  const metrics = await template.registry.metrics()
  const lines = [
    'coredns_template_matches_total{server="dns://:53",zone="a.",view="",class="IN",type="A"} 2',
    'coredns_template_template_failures_total{server="dns://:53",zone="b.",view="",class="IN",type="A",section="answer",template="{{ index .Match 5 }}"} 1',
    'coredns_template_rr_failures_total{server="dns://:53",zone="c.",view="",class="IN",type="A",section="authority",template="nonsense"} 1',
  ]
  for (const line of lines) assert.ok(metrics.includes(`${line}\n`), `${line}\n${metrics}`)
})

test('the front keeps what no template is for, and knows when there is nothing to ask', () => {
  const open = (source: string, zones = ['example.']) =>
    plugin.front!(parseWith(plugin, source), { listeners: [aListener()], block: aBlock(zones) } as never) as {
      concerns(query: ReturnType<typeof aQuery>): boolean
    }
  for (const [source, zones, asks] of [
    ['template ANY ANY', ['a.example.', 'b.example.'], false],
    ['template IN A\ntemplate ANY ANY example', ['a.example.', 'example.'], false],
    ['template ANY ANY example', ['a.example.', 'ample.'], true],
    ['template IN ANY', ['a.example.'], true],
    ['template ANY A', ['a.example.'], true],
  ] as const) {
    assert.equal(open(source, [...zones]).concerns !== undefined, asks, source)
  }
  const front = open('template IN A example\ntemplate CH ANY')
  const cases: readonly [string, string, string, boolean][] = [
    ['x.example', 'A', 'IN', true],
    ['example', 'A', 'IN', true],
    ['x.example', 'ANY', 'IN', true],
    ['x.example', 'AAAA', 'IN', false],
    ['x.example.org', 'A', 'IN', false],
    ['x.example.org', 'TXT', 'CH', true],
  ]
  for (const [name, type, rrclass, want] of cases) {
    assert.equal(front.concerns(aQuery({ name, type, class: rrclass })), want, `${name} ${type} ${rrclass}`)
  }
})

const accepted: readonly string[] = [
  'template ANY ANY (?P<x>',
  'template ANY ANY {\n}',
  'template ANY ANY {\nanswer "{{ parseInt }}"\nadditional "{{ parseInt }}"\n}',
  'template ANY ANY {\nanswer "{{ .Grup.d }}"\n}',
  'template ANY ANY {\nupstream\n}',
  "template ANY ANY {\nvar a 1\nvar b a + 1\nvar c 'x' + name()\n}",
  'template ANY ANY {\nexpr 1\n}',
  'template IN TYPE65280 example.org',
  'template CH TXT coredns.invalid {\nanswer "{{ .Name }} 60 CH TXT \\"test\\""\n}',
]
for (const corefile of accepted)
  test(`accepted: ${JSON.stringify(corefile)}`, () => assert.doesNotThrow(() => parseWith(plugin, corefile)))

const refused: readonly [string, RegExp][] = [
  ['template', /^Corefile:1 - .*Wrong argument count .*'template'/],
  ['template X', /Wrong argument count/],
  ['template ANY', /Wrong argument count/],
  ['template X A', /invalid query class X/],
  ['template ANY X', /invalid RR class X/],
  ['template in A', /invalid query class in/],
  ['template ANY ANY .* {\nnotavailable\n}', /^Corefile:2 - .*unknown property 'notavailable'/],
  ['template ANY ANY {\nanswer\n}', /^Corefile:2 - .*Wrong argument count .*'answer'/],
  ['template ANY ANY {\nadditional\n}', /Wrong argument count/],
  ['template ANY ANY {\nrcode\n}', /Wrong argument count/],
  ['template ANY ANY {\nrcode UNDEFINED\n}', /unknown rcode UNDEFINED/],
  ['template ANY ANY {\nanswer "{{"\n}', /could not compile template: answer, template: answer:1: unclosed action/],
  ['template ANY ANY {\nauthority "{{"\n}', /could not compile template: authority/],
  ['template ANY ANY {\nanswer "{{ notAFunction }}"\n}', /function "notAFunction" not defined/],
  ['template ANY ANY {\nmatch (?P<x>\n}', /could not parse regex: \(\?P<x>/],
  [`template ANY ANY {\nmatch ${'a'.repeat(10_001)}\n}`, /too long: 10001 > 10000/],
  ['template ANY ANY {\nederror invalid "x"\n}', /error parsing extended DNS error code invalid/],
  ['template ANY ANY {\nederror 70000\n}', /error parsing extended DNS error code/],
  ['template ANY ANY {\nederror too many arguments\n}', /Wrong argument count/],
  ['template ANY ANY {\nvar\n}', /Wrong argument count/],
  ['template ANY ANY {\nvar a\n}', /Wrong argument count/],
  ['template ANY ANY {\nvar 1a 1\n}', /invalid variable name "1a"/],
  ['template ANY ANY {\nvar a-b 1\n}', /invalid variable name/],
  ['template ANY ANY {\nvar name 1\n}', /"name" is reserved/],
  ['template ANY ANY {\nvar group 1\n}', /"group" is reserved/],
  ['template ANY ANY {\nvar len 1\n}', /"len" is reserved/],
  ['template ANY ANY {\nvar true 1\n}', /"true" is reserved/],
  ['template ANY ANY {\nvar let 1\n}', /"let" is reserved/],
  ['template ANY ANY {\nvar a 1 +\n}', /could not compile expression: a, unexpected/],
  ['template ANY ANY {\nvar a invalid expression\n}', /could not compile expression/],
  ['template ANY ANY {\nvar a b + 1\nvar b 1\n}', /unknown name b/],
  ['template ANY ANY {\nvar a 1\nvar a 2\n}', /"a" is reserved/],
  ["template ANY ANY {\nvar a 1\nvar b a + 1\nvar c 'x' + b\n}", /mismatched types string and int/],
  ['template ANY ANY {\nexpr\n}', /Wrong argument count/],
  ['template ANY ANY {\nexpr name() ==\n}', /could not compile expression/],
  ['template ANY ANY {\nexpr undefined == 1\n}', /unknown name undefined/],
  ["template ANY ANY {\nvar a 1\nexpr a + 'x'\n}", /mismatched types int and string/],
]
for (const [corefile, message] of refused) {
  test(`refused: ${JSON.stringify(corefile.slice(0, 60))}`, () =>
    assert.throws(() => parseWith(plugin, corefile), { message }))
}
