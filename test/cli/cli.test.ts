import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import test, { describe } from 'node:test'
import { temporaryFolder } from '../support/temporary-folder.ts'

const SHOAL = resolve(import.meta.dirname, '../../bin/shoal')
const folder = temporaryFolder()

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** Runs the launcher in a folder of its own. `input`: what stands on standard input; without it, nothing does. */
async function shoal(
  args: readonly string[],
  input?: string,
  environment: Record<string, string> = {},
  cwd = folder,
): Promise<Ended> {
  const child = spawn(SHOAL, args, {
    cwd,
    env: { ...process.env, ...environment },
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    timeout: 20_000,
  })
  child.stdin?.end(input)
  let out = ''
  let err = ''
  child.stdout!.setEncoding('utf8').on('data', (text) => (out += text))
  child.stderr!.setEncoding('utf8').on('data', (text) => (err += text))
  const code = await new Promise<number | null>((done, fail) => child.on('close', done).on('error', fail))
  return { code, out, err }
}

const write = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text)
  return name
}

describe('the command line', { concurrency: 2 }, () => {
  test('-version: name and version, then system, node and commit', async () => {
    const { code, out } = await shoal(['-version'])
    const { version } = JSON.parse(readFileSync(resolve(import.meta.dirname, '../../package.json'), 'utf8'))
    assert.equal(code, 0)
    assert.match(out, new RegExp(`^Shoal-${version}\\n[a-z0-9]+/[a-z0-9]+, node[0-9.]+, [0-9a-f]*\\n$`))
  })

  test('-plugins: sorted, a line each', async () => {
    const { code, out } = await shoal(['-plugins'])
    const names = out.trimEnd().split('\n')
    assert.equal(code, 0)
    assert.deepEqual(names, names.toSorted())
    assert.ok(names.includes('whoami') && names.includes('bind'))
  })

  test('-plugins=verbose: where the queries of each block are answered, and what keeps them from memory', async () => {
    write('fast', 'a.example {\nprometheus 127.0.0.1:1\nhosts {\n192.0.2.1 x.a.example\n}\ncache\n}\n')
    write(
      'slow',
      'b.example {\ntemplate ANY ANY {\nrcode REFUSED\nfallthrough\n}\nfile missing\n}\nc.example {\ntemplate IN A {\nrcode REFUSED\n}\nfile missing\n}\n',
    )
    const fast = await shoal(['-plugins=verbose', '-conf', 'fast'])
    assert.deepEqual(
      [fast.code, fast.out],
      [
        0,
        `fast:1 a.example. - answered on the event loop: hosts
    prometheus  event loop
    cache       pool, for the queries that it concerns; event loop for the others
    hosts       event loop, answers from the record store
`,
      ],
    )
    const slow = await shoal(['-plugins=verbose', '-conf', 'slow'])
    assert.deepEqual(
      [slow.code, slow.out],
      [
        0,
        `slow:1 b.example. - every query goes to the pool: template is ahead of the record store and concerns them all
    template  pool
    file      pool
slow:8 c.example. - answered on the event loop: file
    template  pool, for the queries that it concerns; event loop for the others
    file      event loop, answers from the record store
`,
      ],
    )
    write('wrong', 'a.example {\nbogus\n}\n')
    const wrong = await shoal(['-plugins=verbose', '-conf', 'wrong'])
    assert.deepEqual([wrong.code, wrong.out], [1, ''])
    assert.match(wrong.err, /^wrong:2 - Error during parsing: Unknown directive 'bogus'\n$/)
  })

  test('an unknown flag: usage on standard error, exit code 2', async () => {
    const { code, out, err } = await shoal(['-foo'])
    assert.deepEqual([code, out], [2, ''])
    assert.match(err, /^flag provided but not defined: -foo\nUsage of shoal:\n {2}-conf string\n/)
  })

  test('surplus words: exit code 1', async () => {
    const { code, err } = await shoal(['what', 'is', 'this'])
    assert.deepEqual([code, err], [1, 'extra command line arguments: [what is this]\n'])
  })

  test('-h: usage, exit code 0', async () => {
    const { code, err } = await shoal(['-h'])
    assert.equal(code, 0)
    assert.match(err, /^Usage of shoal:/)
  })
})

describe('shoal check', { concurrency: 2 }, () => {
  test('a right Corefile: exit code 0, nothing written beside it', async () => {
    const own = mkdtempSync(join(folder, 'own-'))
    const text = '.:{$PORT} example.org {\nwhoami\nlog\nerrors\n}\n10.0.0.0/15:1054 {\nbind 127.0.0.1\nwhoami\n}\n'
    writeFileSync(join(own, 'Corefile'), text)
    const { code, out, err } = await shoal(['check'], undefined, { PORT: '1053' }, own)
    assert.deepEqual([code, out, err], [0, 'Corefile: ok (2 server blocks, 3 listeners)\n', ''])
    assert.deepEqual(readdirSync(own), ['Corefile'])
  })

  test('every error, with its place, what was read and what would work; exit code 1', async () => {
    write(
      'wrong',
      'example.org {\n    cahce 30\n    errors {\n        consolidate soon x\n        bogus\n    }\n    multisocket 0\n}\nb..org {\n}\nexample.org {\n    erratic\n    whoami\n}\n',
    )
    const { code, out } = await shoal(['check', '-conf', 'wrong'])
    assert.equal(code, 1)
    assert.equal(
      out
        .split('\n')
        .filter((line) => /^\S/.test(line))
        .join('\n'),
      [
        "wrong:2:5: Unknown directive 'cahce'",
        'wrong:4:21: plugin/errors: time: invalid duration "soon"',
        "wrong:5:9: plugin/errors: unknown property 'bogus' (known are: stacktrace, consolidate)",
        'wrong:7:17: plugin/multisocket: num sockets can not be zero or negative: 0',
        'wrong:9:1: zone is not a valid domain name: b..org (an empty label (two dots in a row, or a leading dot))',
        'wrong:11:1: cannot serve dns://example.org.:53 - it is already defined',
        'wrong:12:5: plugin erratic of CoreDNS is not part of this version of Shoal yet',
        'wrong: 7 errors',
      ].join('\n'),
    )
    assert.ok(out.includes('    cahce 30\n    ^\n    works: cache\n'))
    assert.ok(out.includes('    multisocket 0\n                ^\n    works: multisocket 4\n'))
  })

  test('the JSON form', async () => {
    write('json', '. tls://a {\n  multisocket 0\n}\nfoo://b {\n}\n')
    const { code, out } = await shoal(['check', '-conf', 'json', '-json'])
    assert.equal(code, 1)
    assert.deepEqual(JSON.parse(out), {
      ok: false,
      corefile: 'json',
      blocks: 2,
      listeners: [],
      problems: [
        {
          severity: 'error',
          file: 'json',
          line: 1,
          column: 3,
          problem: 'cannot serve tls://a.:853 - tls:// listeners are not part of this version of Shoal yet',
          read: '. tls://a {',
          works: 'dns://a.',
        },
        {
          severity: 'error',
          file: 'json',
          line: 2,
          column: 15,
          plugin: 'multisocket',
          problem: 'num sockets can not be zero or negative: 0',
          read: '  multisocket 0',
          works: 'multisocket 4',
        },
        {
          severity: 'warning',
          file: 'json',
          line: 4,
          column: 1,
          problem: "'foo://b' is taken for the name of a zone, foo://b.",
          read: 'foo://b {',
        },
      ],
    })
  })

  test('standard input, with the line that was read', async () => {
    const { code, out } = await shoal(['check', '-conf', 'stdin'], '. {\nwhoami x\n}\n')
    assert.equal(code, 1)
    assert.match(out, /^stdin:2:[0-9]+: plugin\/whoami: .*\n {4}whoami x\n/)
  })

  test('standard input that is no file and no pipe: the default is what would be served', async () => {
    const { code, out } = await shoal(['check', '-conf', 'stdin'])
    assert.equal(code, 0)
    assert.match(out, /^Corefile: warning: Corefile has no server block: serving whoami and log\n|^Corefile: ok/)
  })

  test('no Corefile: the default', async () => {
    const { code, out } = await shoal(['check'])
    assert.equal(code, 0)
    assert.match(out, /Corefile: ok \(1 server block, 1 listener/)
  })

  test('a Corefile that is not there', async () => {
    const { code, out } = await shoal(['check', '-conf', 'nowhere'])
    assert.equal(code, 1)
    assert.match(out, /^nowhere: loading Caddyfile via flag: open nowhere: no such file or directory\n/)
  })

  test('imported files are named where their lines are wrong', async () => {
    write('part', 'whoami\nmultisocket x\n')
    write('importing', '. {\nimport part\n}\n')
    const { code, out } = await shoal(['check', '-conf', 'importing'])
    assert.equal(code, 1)
    assert.ok(out.startsWith(`${join(folder, 'part')}:2:13: plugin/multisocket: `))
  })

  test('what plugins find in the files they read is told once, with the lines of those files', async () => {
    const own = mkdtempSync(join(folder, 'own-'))
    writeFileSync(join(own, 'records'), 'fine\n  not fine\n')
    writeFileSync(
      join(own, 'records.ts'),
      `import { resolve } from 'node:path'
      export const plugin = {
        name: 'records',
        parse: () => null,
        async *check(_options, { block }) {
          const file = resolve(block.root, 'records')
          yield { at: { file, line: 2, column: 3 }, problem: 'bad record', hint: 'fine' }
          yield { at: { file, line: 1, column: 1 }, problem: 'odd', warning: true }
          if (block.zones[0] === 'b.org.') throw new Error('broken')
        },
      }`,
    )
    writeFileSync(join(own, 'plugin.cfg'), 'file:file\nrecords:./records.ts\n')
    writeFileSync(join(own, 'Corefile'), 'a.org {\n records\n}\nb.org {\n records\n}\n')
    const { code, out } = await shoal(['check'], undefined, {}, own)
    assert.equal(code, 1)
    const file = join(own, 'records')
    assert.equal(
      out,
      [
        'Corefile:4:1: plugin/records: the plugin failed while it checked: Error: broken',
        '    b.org {',
        '    ^',
        `${file}:1:1: warning: plugin/records: odd`,
        '    fine',
        '    ^',
        `${file}:2:3: plugin/records: bad record`,
        '    not fine',
        '    ^',
        '    works: fine',
        'Corefile: 2 errors, 1 warning',
        '',
      ].join('\n'),
    )
  })
})
