import assert from 'node:assert/strict'
import { rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { Query } from '../../src/chain/query.ts'
import { Reply, SERVFAIL } from '../../src/chain/reply.ts'
import type { Problem } from '../../src/corefile/parse-context.ts'
import { plugin } from '../../src/plugins/file/index.ts'
import { NXDOMAIN_OUTCOME, ZONE_SET } from '../../src/zone/zone-store.ts'
import { parseWith } from '../support/directives.ts'
import { aBlock, aQuery, aReply } from '../support/front.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { openZoneChain, shown } from '../support/zone-chain.ts'

const folder = temporaryFolder()
const file = (name: string, text: string): string => {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}
const HEAD = (serial: number) =>
  `$TTL 300\n@ IN SOA ns admin ${serial} 7200 3600 1209600 60\n@ NS ns\nns A 192.0.2.53\n`
const SOA = (serial: number) =>
  `example.org 60 SOA {"mname":"ns.example.org","rname":"admin.example.org","serial":${serial},"refresh":7200,"retry":3600,"expire":1209600,"minimum":60}`
const NS = 'authority: example.org 300 NS ns.example.org'
const ADDRESS = 'example.org 300 A 192.0.2.53'
const open = (source: string, zones = ['example.org.']) =>
  openZoneChain(plugin, parseWith(plugin, source, { root: folder, zones }))
const soon = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5))
}

test('syntax', () => {
  const path = join(folder, 'db')
  const zone = { apex: 'example.org.', path, reloadMs: 60_000, byMtime: false }
  const cases: readonly [string, unknown][] = [
    ['file db', { zones: [zone], fallthrough: [] }],
    [
      'file /db example.net Example.COM',
      {
        zones: [
          { ...zone, apex: 'example.net.', path: '/db' },
          { ...zone, apex: 'example.com.', path: '/db' },
        ],
        fallthrough: [],
      },
    ],
    ['file db 10.0.0.0/8', { zones: [{ ...zone, apex: '10.in-addr.arpa.' }], fallthrough: [] }],
    [
      'file db {\nreload 10s\nfallthrough a.example.org\nupstream 192.0.2.1\n}',
      { zones: [{ ...zone, reloadMs: 10_000 }], fallthrough: ['a.example.org.'] },
    ],
    ['file db {\nfallthrough\n}', { zones: [zone], fallthrough: ['.'] }],
    [
      'file db a. {\nreload 0\nreload_by_mtime\n}\nfile db b.',
      {
        zones: [
          { ...zone, apex: 'a.', reloadMs: 0, byMtime: true },
          { ...zone, apex: 'b.', reloadMs: 0, byMtime: true },
        ],
        fallthrough: [],
      },
    ],
    ['file db a.\nfile other a.', { zones: [{ ...zone, apex: 'a.', path: join(folder, 'other') }], fallthrough: [] }],
  ]
  for (const [source, want] of cases) {
    assert.deepEqual(parseWith(plugin, source, { root: folder, zones: ['example.org.'] }), want, source)
  }
  const errors: readonly [string, RegExp][] = [
    ['file', /Wrong argument count .* 'file'/],
    ['file db {\nreload\n}', /reload duration value is expected/],
    ['file db {\nreload 5\n}', /invalid duration "5"/],
    ['file db {\nreload -1s\n}', /invalid duration "-1s"/],
    ['file db {\nunknown\n}', /Corefile:2 .*unknown property 'unknown'/],
  ]
  for (const [source, message] of errors) assert.throws(() => parseWith(plugin, source), { message }, source)
})

test('answers from the zone; other names go on', async () => {
  file(
    'answers',
    `${HEAD(1)}www A 192.0.2.1\nwww AAAA 2001:db8::1\nwww A 192.0.2.2\nalias CNAME www\n*.wild TXT w\nsub NS ns.sub\nns.sub A 192.0.2.99\n` +
      'ent.deep A 192.0.2.3\nd DNAME other.example.org.\n',
  )
  const chain = await open('file answers')
  const cases: readonly [string, string, string][] = [
    [
      'www.example.org',
      'A',
      `0 aa; answer: www.example.org 300 A 192.0.2.1, www.example.org 300 A 192.0.2.2; ${NS}; additional: ns.${ADDRESS}`,
    ],
    [
      'WWW.example.ORG',
      'AAAA',
      `0 aa; answer: WWW.example.ORG 300 AAAA 2001:db8::1; authority: example.ORG 300 NS ns.example.ORG; additional: ns.example.ORG 300 A 192.0.2.53`,
    ],
    ['www.example.org', 'MX', `0 aa; authority: ${SOA(1)}`],
    ['none.example.org', 'A', `3 aa; authority: ${SOA(1)}`],
    ['deep.example.org', 'A', `0 aa; authority: ${SOA(1)}`],
    ['x.wild.example.org', 'TXT', `0 aa; answer: x.wild.example.org 300 TXT ["w"]; ${NS}; additional: ns.${ADDRESS}`],
    [
      'a.sub.example.org',
      'A',
      '0; authority: sub.example.org 300 NS ns.sub.example.org; additional: ns.sub.example.org 300 A 192.0.2.99',
    ],
    ['example.org', 'AXFR', 'unwritten 5'],
    ['example.org', 'IXFR', 'unwritten 5'],
    ['example.net', 'A', 'passed on'],
  ]
  for (const [name, type, want] of cases) {
    const got = shown(await chain.ask(aQuery({ name, type })))
    // Whether addresses of the zone's servers come along is the store's choice.
    assert.equal(
      got.replace(/; additional: ns\.example\.\w+ 300 A 192\.0\.2\.53$/i, ''),
      want.replace(/; additional: ns\.example\.\w+ 300 A 192\.0\.2\.53$/i, ''),
      `${name} ${type}`,
    )
  }
  assert.equal(shown(await chain.ask(aQuery({ name: 'www.example.org', class: 'CH' }))), 'passed on')
  await chain.close()
})

test('at the end of the chain names of no zone are refused; what falls through fails', async () => {
  file('end', HEAD(1))
  const next = () => Reply.unwritten(SERVFAIL, 'plugin/file: no next plugin found')
  const chain = await openZoneChain(
    plugin,
    parseWith(plugin, `file ${join(folder, 'end')} example.org {\nfallthrough a.example.org\n}`),
    next,
  )
  assert.equal(shown(await chain.ask(aQuery({ name: 'example.net' }))), 'unwritten 5')
  assert.equal(shown(await chain.ask(aQuery({ name: 'b.example.org' }))), `3 aa; authority: ${SOA(1)}`)
  assert.equal(shown(await chain.ask(aQuery({ name: 'x.a.example.org' }))), 'unwritten 2')
  await chain.close()
})

test('fallthrough is for names that do not exist, not for missing types', async () => {
  file('through', `${HEAD(1)}www A 192.0.2.1\n`)
  const chain = await open('file through {\nfallthrough\n}')
  assert.equal(shown(await chain.ask(aQuery({ name: 'no.example.org' }))), 'passed on')
  assert.equal(shown(await chain.ask(aQuery({ name: 'www.example.org', type: 'MX' }))), `0 aa; authority: ${SOA(1)}`)
  await chain.close()
})

test('replies say which zone they were made from', async () => {
  file('marks', `${HEAD(1)}www A 192.0.2.1\n`)
  const chain = await open('file marks')
  const marksOf = async (name: string) => {
    const query = new Query(aQuery({ name }), {
      client: { address: '192.0.2.7', port: 1, family: 4 },
      tcp: false,
      blockId: 0,
      listenerId: 0,
    })
    await chain.handler(query, () => Reply.unwritten(5))
    return query.marks
  }
  const inside = await marksOf('www.example.org')
  assert.deepEqual([inside.isLocal, inside.isNoStore, inside.reads, inside.zones.length], [true, false, 0, 1])
  assert.equal(inside.generations[0], chain.store.generation(inside.zones[0]!))
  assert.deepEqual((await marksOf('example.net')).zones, [ZONE_SET])
  await chain.close()
})

test('a CNAME out of the zone is followed by an internal look-up', async () => {
  file('out', `${HEAD(1)}out CNAME target.example.net.\nchain CNAME out\n`)
  const chain = await open('file out')
  const target = aQuery({ name: 'target.example.net' })
  const answer = (sections: Parameters<typeof aReply>[1], about: Parameters<typeof aReply>[2] = {}) =>
    Reply.fromWire(aReply(target, sections, about))
  const soa = {
    name: 'example.net',
    type: 'SOA',
    ttl: 5,
    data: { mname: 'a', rname: 'b', serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 1 },
  } as const
  const alias = 'out.example.org 300 CNAME target.example.net'
  const soaText = 'example.net 5 SOA {"mname":"a","rname":"b","serial":1,"refresh":1,"retry":1,"expire":1,"minimum":1}'
  const cases: readonly [string, Reply, string][] = [
    [
      'answer',
      answer({ answers: [{ name: 'target.example.net', type: 'A', ttl: 60, data: '192.0.2.9' }] }),
      `0 aa; answer: ${alias}, target.example.net 60 A 192.0.2.9`,
    ],
    [
      'NXDOMAIN: the RCODE of the last name (RFC 6604 3)',
      answer({ authorities: [soa] }, { rcode: 3 }),
      `3 aa; answer: ${alias}; authority: ${soaText}`,
    ],
    ['NODATA', answer({ authorities: [soa] }), `0 aa; answer: ${alias}; authority: ${soaText}`],
    ['SERVFAIL, unwritten', Reply.unwritten(2), `2 aa; answer: ${alias}`],
    ['SERVFAIL, written', answer({}, { rcode: 2 }), `2 aa; answer: ${alias}`],
    ['served by nobody', Reply.unwritten(5), `0 aa; answer: ${alias}`],
    [
      'as records',
      Reply.of({ answers: [{ name: 'target.example.net', type: 'A', class: 'IN', ttl: 60, data: '192.0.2.9' }] }),
      `0 aa; answer: ${alias}, target.example.net 60 A 192.0.2.9`,
    ],
    ['dropped', Reply.drop(), 'dropped'],
  ]
  for (const [title, inner, want] of cases) {
    const asked: string[] = []
    const reply = await chain.ask(aQuery({ name: 'out.example.org' }), (qname, qtype) => {
      asked.push(`${qname} ${qtype}`)
      return inner
    })
    assert.equal(shown(reply), want, title)
    assert.deepEqual(asked, ['target.example.net. 1'], title)
  }
  assert.equal(
    shown(await chain.ask(aQuery({ name: 'chain.example.org' }), () => cases[0]![1])),
    `0 aa; answer: chain.example.org 300 CNAME out.example.org, ${alias}, target.example.net 60 A 192.0.2.9`,
  )
  await chain.close()
})

test("RFC 1034 4.3.2 step 2: a CNAME's target is looked up in the nearest zone, while that is there", async () => {
  file('parent', `${HEAD(1)}www CNAME www.sub\nds CNAME sub\nalias DNAME sub\n`)
  file('child', `$TTL 60\n@ IN SOA ns admin 1 7200 3600 1209600 60\n@ NS ns\nns A 192.0.2.1\nwww A 192.0.2.7\n`)
  const chain = await open('file parent\nfile child sub.example.org')
  const inner = (query: ReturnType<typeof aQuery>) => (qname: string) =>
    qname.endsWith('.sub.example.org.') ? Reply.fromWire(aReply(query, {})) : Reply.unwritten(2)
  const asked: string[] = []
  const ask = async (name: string, type = 'A') => {
    const query = aQuery({ name, type })
    return shown(
      await chain.ask(query, (qname) => {
        asked.push(qname)
        return inner(query)(qname)
      }),
    )
  }
  const www = 'www.example.org 300 CNAME www.sub.example.org'
  assert.equal(await ask('www.example.org'), `0 aa; answer: ${www}`)
  assert.match(
    await ask('www.alias.example.org'),
    /answer: alias.* DNAME .*, www\.alias.* CNAME www\.sub\.example\.org$/,
  )
  assert.deepEqual(asked, ['www.sub.example.org.', 'www.sub.example.org.'])
  // The DS at a zone's apex is its parent's to answer.
  assert.match(
    await ask('ds.example.org', 'DS'),
    /^3 aa; answer: ds.* CNAME sub\.example\.org; authority: example\.org/,
  )
  assert.equal(asked.length, 2)
  // Without the nearer zone the name is the parent's, and what was made before is out of date.
  const parent = aQuery({ name: 'www.example.org' })
  const before = chain.store.generation(chain.store.findZone(chain.sourceId, parent))
  chain.store.apply({ kind: 'remove', sourceId: chain.sourceId, apex: 'sub.example.org.' })
  assert.notEqual(chain.store.generation(chain.store.findZone(chain.sourceId, parent)), before)
  assert.match(await ask('www.example.org'), /^3 aa; /)
  assert.equal(asked.length, 2)
  await chain.close()
})

test('NOTIFY for a zone gets no reply and one log line a second', async () => {
  file('notify', HEAD(1))
  const chain = await open('file notify')
  for (let i = 0; i < 5; i++) {
    const query = aQuery({ name: 'example.org', type: 'SOA', flags: 0x2400 })
    assert.equal(shown(await chain.ask(query)), 'dropped')
  }
  assert.deepEqual(chain.log.lines, ['INFO Dropping notify from 192.0.2.7 for example.org.'])
  await chain.close()
})

test('a missing file is SERVFAIL until it is there; a changed serial, up or down, is loaded', async () => {
  const path = join(folder, 'late')
  const chain = await open('file late {\nreload 5ms\n}')
  assert.match(
    chain.log.lines[0]!,
    /^WARNING Failed to open "open .*late: no such file or directory": trying again in 5ms$/,
  )
  const early = await chain.ask(aQuery({ name: 'example.org', type: 'SOA' }))
  assert.equal(shown(early), 'unwritten 2')
  assert.deepEqual(early.options, [{ code: 15, data: Uint8Array.of(0, 14) }])
  for (const serial of [5, 6, 4]) {
    file('late', HEAD(serial))
    await soon(
      async () => shown(await chain.ask(aQuery({ name: 'no.example.org' }))) === `3 aa; authority: ${SOA(serial)}`,
    )
    await soon(() =>
      chain.log.lines.includes(`INFO Successfully reloaded zone "example.org." in "${path}" with ${serial} SOA serial`),
    )
  }
  // The same serial is the same zone, whatever else the file says.
  file('late', `${HEAD(4)}new A 192.0.2.1\n`)
  await new Promise((resolve) => setTimeout(resolve, 60))
  assert.match(shown(await chain.ask(aQuery({ name: 'new.example.org' }))), /^3 aa/)
  // A bad file leaves what is served, and is told once.
  file('late', `${HEAD(9)}bad A x\n`)
  await soon(() => chain.log.lines.some((line) => /^ERROR Parsing zone "example.org.": .*late:5:7: /.test(line)))
  await new Promise((resolve) => setTimeout(resolve, 30))
  assert.equal(chain.log.lines.filter((line) => line.startsWith('ERROR')).length, 1)
  assert.equal(shown(await chain.ask(aQuery({ name: 'no.example.org' }))), `3 aa; authority: ${SOA(4)}`)
  rmSync(path)
  await soon(() =>
    chain.log.lines.some((line) => /^ERROR Failed to open zone "example.org." in ".*late": open/.test(line)),
  )
  assert.equal(shown(await chain.ask(aQuery({ name: 'no.example.org' }))), `3 aa; authority: ${SOA(4)}`)
  await chain.close()
})

test('reload_by_mtime loads a changed file with the same serial, and an unchanged one not at all', async () => {
  const path = file('mtime', HEAD(1))
  const chain = await open('file mtime {\nreload 5ms\nreload_by_mtime\n}')
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.deepEqual(chain.log.lines, [])
  file('mtime', `${HEAD(1)}new A 192.0.2.1\n`)
  utimesSync(path, 1, 1)
  await soon(async () => shown(await chain.ask(aQuery({ name: 'new.example.org' }))).startsWith('0 aa'))
  await chain.close()
})

test('included files are watched too, and a zone without SOA or of bad records does not start', async () => {
  file('part', 'in A 192.0.2.1\n')
  file('includes', `${HEAD(1)}$INCLUDE part\n`)
  const chain = await open('file includes {\nreload 5ms\nreload_by_mtime\n}')
  assert.match(shown(await chain.ask(aQuery({ name: 'in.example.org' }))), /192\.0\.2\.1/)
  file('part', 'in A 192.0.2.22\n')
  await soon(async () => /192\.0\.2\.22/.test(shown(await chain.ask(aQuery({ name: 'in.example.org' })))))
  await chain.close()
  file('no-soa', 'www 60 A 192.0.2.1\n')
  await assert.rejects(
    open('file no-soa'),
    /^Error: plugin\/file: file ".*no-soa" has no SOA record for origin example\.org\./,
  )
  file('bad', `${HEAD(1)}www A 192.0.2\n`)
  await assert.rejects(open('file bad'), /plugin\/file: .*bad:5:7: /)
  await assert.rejects(open('file missing {\nreload 0\n}'), /plugin\/file: open .*missing: no such file or directory/)
  await assert.rejects(open(`file ${folder}`), /is a directory/)
})

test('serial 0 and NSEC3 zones are loaded', async () => {
  file(
    'zero',
    `${HEAD(0)}@ NSEC3PARAM 1 0 0 -\n0p9mhaveqvm6t7vbl5lop2u3t2rp3tom NSEC3 1 1 0 - 2t7b4g4vsa5smi47k61mv5bv1a22bojr NS SOA NSEC3PARAM\n`,
  )
  const chain = await open('file zero')
  assert.equal(shown(await chain.ask(aQuery({ name: 'no.example.org' }))), `3 aa; authority: ${SOA(0)}`)
  await chain.close()
})

test('owners that come back later in the file keep all their records', async () => {
  const names = Array.from({ length: 500 }, (_, i) => `h${i}`)
  file(
    'scattered',
    [
      HEAD(1),
      ...names.map((name) => `${name} A 192.0.2.1`),
      ...names.map((name) => `${name} A 192.0.2.2`),
      ...names.map((name) => `${name} TXT x`),
    ].join('\n'),
  )
  const chain = await open('file scattered')
  for (const name of ['h0', 'h250', 'h499']) {
    assert.match(shown(await chain.ask(aQuery({ name: `${name}.example.org` }))), /192\.0\.2\.1, .*192\.0\.2\.2/)
    assert.match(shown(await chain.ask(aQuery({ name: `${name}.example.org`, type: 'TXT' }))), /TXT \["x"\]/)
  }
  await chain.close()
})

test('check tells every problem of every zone with its line and column', async () => {
  const bad = file('check', `${HEAD(1)}www A 192.0.2\nwww A 192.0.2.1\nmail MX x\nout.example.net. A 192.0.2.1\n`)
  const empty = file('empty', '')
  const problems: Problem[] = []
  const options = parseWith(plugin, 'file check example.org\nfile empty a.\nfile gone b.', { root: folder })
  for await (const problem of await plugin.check!(options, { block: aBlock(['.']) })) problems.push(problem)
  const places = problems.map(
    ({ at, warning }) => `${at.file}:${at.line}:${at.column}${warning === true ? ' warning' : ''}`,
  )
  assert.deepEqual(places, [
    `${bad}:5:7`,
    `${bad}:7:9`,
    `${bad}:8:1 warning`,
    `${empty}:1:1`,
    `${join(folder, 'gone')}:1:1 warning`,
  ])
})

test('the front answers what the chain would, and leaves it transfers and NOTIFY', async () => {
  file('front', HEAD(1))
  const chain = await open('file front {\nfallthrough a.example.org\n}')
  const options = parseWith(plugin, 'file front {\nfallthrough a.example.org\n}', { root: folder })
  const part = await plugin.front!(options, { sourceId: chain.sourceId, store: chain.store } as never)
  assert.equal(part.concerns!(aQuery({ name: 'example.org' })), false)
  assert.equal(part.concerns!(aQuery({ name: 'example.org', type: 'AXFR' })), true)
  assert.equal(part.concerns!(aQuery({ name: 'example.org', type: 'SOA', flags: 0x2400 })), true)
  assert.equal(part.data!.fallsThrough!(aQuery({ name: 'x.a.example.org' }), NXDOMAIN_OUTCOME), true)
  assert.equal(part.data!.fallsThrough!(aQuery({ name: 'x.b.example.org' }), NXDOMAIN_OUTCOME), false)
  assert.equal(part.data!.fallsThrough!(aQuery({ name: 'x.a.example.org' }), 2), false)
  await chain.close()
})
