/**
 * The published package: built and packed in a copy, installed into an empty folder, used as an operator and a plugin's
 * author would.
 */
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { before } from 'node:test'
import { decodeReply } from '../support/decode-reply.ts'
import { composeTestQuery, freePort, openTcpClient, openUdpClient } from '../support/dns-client.ts'
import { docExample } from '../support/doc-example.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/until.ts'

const ROOT = join(import.meta.dirname, '../..')
/** Building, and the first start, on a busy machine. */
const PATIENCE_MS = 120_000
const TYPE_A = 1

const folder = temporaryFolder()
const copy = join(folder, 'copy')
const app = join(folder, 'app')
const shoal = join(app, 'node_modules/.bin/shoal')

/** What npm says when it needs a package that neither its cache nor a registry gives. */
const OFFLINE = /ENOTCACHED|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH/
let files: readonly string[] = []
let unavailable: string | undefined

interface Ended {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** npm's own settings of the run that this test is part of are left out. */
const environment = {
  ...Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^npm_(?!config_(cache|registry|userconfig)$)/i.test(name)),
  ),
  SHOAL_NODE: process.execPath,
}

function run(cwd: string, command: string, ...args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(command, args, { cwd, env: environment, timeout: PATIENCE_MS, maxBuffer: 2 ** 24 }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), out, err }),
    )
  })
}

async function succeeds(cwd: string, command: string, ...args: readonly string[]): Promise<string> {
  const { code, out, err } = await run(cwd, command, ...args)
  assert.equal(code, 0, `${command} ${args.join(' ')}\n${out}\n${err}`)
  return out
}

before(async () => {
  mkdirSync(copy)
  for (const name of [
    'src',
    'bin',
    'examples',
    'tools/build.ts',
    'package.json',
    'tsconfig.json',
    'tsconfig.build.json',
    'README.md',
    'CHANGELOG.md',
    'Corefile.example',
  ]) {
    cpSync(join(ROOT, name), join(copy, name), { recursive: true })
  }
  if (existsSync(join(ROOT, 'LICENSE'))) cpSync(join(ROOT, 'LICENSE'), join(copy, 'LICENSE'))
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
  await succeeds(copy, 'npm', 'run', 'build')
  const [packed] = JSON.parse(await succeeds(copy, 'npm', 'pack', '--json', '--pack-destination', folder)) as [
    { readonly filename: string; readonly files: readonly { readonly path: string }[] },
  ]
  files = packed.files.map(({ path }) => path)
  mkdirSync(app)
  writeFileSync(join(app, 'package.json'), '{ "name": "app", "private": true, "type": "module" }\n')
  const install = [
    'install',
    '--prefer-offline',
    '--fetch-retries=1',
    '--fetch-retry-mintimeout=1000',
    '--no-audit',
    '--no-fund',
    join(folder, packed.filename),
  ]
  const { code, out, err } = await run(app, 'npm', ...install)
  if (code === 0) return
  assert.match(err, OFFLINE, `npm ${install.join(' ')}\n${out}\n${err}`)
  unavailable = `the dependencies are neither in npm's cache nor in reach: ${OFFLINE.exec(err)![0]}`
  console.log(unavailable)
})

test('the package holds what runs, and neither tests nor sources', () => {
  const misplaced = files.filter(
    (file) => /(^|\/)test\//.test(file) || (/\.ts$/.test(file) && !/^dist\/.*\.d\.ts$/.test(file)),
  )
  assert.deepEqual(misplaced, [])
  const sources = files.filter((file) => file.startsWith('src/'))
  assert.ok(
    sources.length > 10 && sources.every((file) => /^src\/plugins\/[^/]+\/README\.md$/.test(file)),
    sources.join(),
  )
  for (const needed of [
    'bin/shoal',
    'bin/find-node.sh',
    'dist/main.js',
    'dist/plugin-api.js',
    'dist/plugin-api.d.ts',
    'package.json',
    'README.md',
    'Corefile.example',
  ]) {
    assert.ok(files.includes(needed), `${needed} is missing`)
  }
  const strangers = files.filter(
    (file) =>
      !/^(bin|dist|examples|src\/plugins)\/|^(package\.json|README\.md|CHANGELOG\.md|LICENSE|Corefile\.example)$/.test(
        file,
      ),
  )
  assert.deepEqual(strangers, [])
})

test('no compiled module imports a source file, or a module of Node as an ES module', () => {
  const dist = join(copy, 'dist')
  const modules = readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.js'))
  assert.ok(modules.includes('shoal.js'))
  for (const file of modules) {
    const text = readFileSync(join(dist, file), 'utf8').replace(/\/\*[\s\S]*?\*\//g, '')
    assert.doesNotMatch(text, /(?:from|import\(|new URL\()\s*['"][^'"]*\.ts['"]/, file)
    assert.doesNotMatch(text, /(?:from|import) ?['"]node:|import\(['"]node:/, file)
  }
})

test('-version, and -plugins', async (t) => {
  if (unavailable !== undefined) return t.skip(unavailable)
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  assert.match(await succeeds(app, shoal, '-version'), new RegExp(`^Shoal-${version}\\n`))
  assert.match(await succeeds(app, shoal, '-plugins'), /^whoami$/m)
})

/** Starts the installed server, asks over UDP and TCP, ends it. `Corefile`: PORT stands for the port. */
async function serve(
  corefile: string,
  cwd: string,
  ask: (question: (qname: string) => Promise<string[]>) => Promise<void>,
): Promise<void> {
  const port = await freePort()
  writeFileSync(join(cwd, 'Corefile'), corefile.replaceAll('PORT', String(port)))
  const child = spawn(shoal, ['-conf', 'Corefile'], { cwd, env: environment, stdio: ['ignore', 'pipe', 'pipe'] })
  const exited = once(child, 'close')
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text))
  const clients = [openUdpClient(port), openTcpClient(port)]
  try {
    await until('the server serves', () => child.exitCode !== null || output.includes('Shoal-'), PATIENCE_MS)
    assert.equal(child.exitCode, null, output)
    for (const client of clients) {
      await ask(async (qname) => {
        const reply = await client.ask(composeTestQuery(qname, TYPE_A), PATIENCE_MS)
        assert.ok(reply !== undefined, output)
        return decodeReply(reply).sections[0].map(({ rdata }) => rdata)
      })
    }
    child.kill('SIGTERM')
    await until('the server ends', () => child.exitCode !== null || child.signalCode !== null, PATIENCE_MS)
    assert.equal(child.exitCode, 0, output)
  } finally {
    for (const client of clients) client.close()
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await exited
  }
}

test("the installed server answers from the package's example zone, over UDP and TCP", async (t) => {
  if (unavailable !== undefined) return t.skip(unavailable)
  const corefile = 'example.org:PORT {\n  file node_modules/shoal/examples/db.example.org\n  errors\n  loadbalance\n}\n'
  await serve(corefile, app, async (ask) => {
    assert.deepEqual((await ask('www.example.org.')).toSorted(), ['c0000250', 'c0000251'])
    assert.deepEqual(await ask('x.apps.example.org.'), ['c000025a'])
  })
})

test('plugins of all kinds work from the files they were put into', async (t) => {
  if (unavailable !== undefined) return t.skip(unavailable)
  const upstream = await freePort()
  const corefile = `(all) {
  debug
  errors
  log
  cancel
  any
  chaos
  loadbalance
  minimal
  local
}
example.org:PORT {
  import all
  root node_modules/shoal/examples
  auto {
    directory . db[.](.*) {1}
  }
}
made.example:PORT {
  import all
  cache
  template IN A {
    match ^[a-z]+[.]made[.]example[.]$
    answer "{{ .Name }} 60 IN A 192.0.2.7"
  }
}
listed.example:PORT {
  import all
  cache
  hosts {
    192.0.2.8 a.listed.example
  }
}
.:PORT {
  import all
  reload
  loop
  cache
  forward . 127.0.0.1:${upstream}
}
.:${upstream} {
  hosts {
    192.0.2.9 far.example
  }
}
`
  await serve(corefile, app, async (ask) => {
    assert.deepEqual((await ask('www.example.org.')).toSorted(), ['c0000250', 'c0000251'])
    assert.deepEqual(await ask('a.made.example.'), ['c0000207'])
    assert.deepEqual(await ask('a.listed.example.'), ['c0000208'])
    assert.deepEqual(await ask('far.example.'), ['c0000209'])
  })
})

test('the plugin of docs/writing-a-plugin.md has types, and runs', async (t) => {
  if (unavailable !== undefined) return t.skip(unavailable)
  writeFileSync(join(app, 'sinkhole.ts'), docExample('writing-a-plugin.md', 'ts'))
  const tsconfig = {
    compilerOptions: {
      target: 'esnext',
      module: 'nodenext',
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      types: ['node'],
    },
    files: ['sinkhole.ts', 'wrong.ts'],
  }
  writeFileSync(join(app, 'tsconfig.json'), JSON.stringify(tsconfig))
  // What would compile if a type had become `any` on its way.
  writeFileSync(
    join(app, 'wrong.ts'),
    `import { type Answer, type Handler, Reply } from 'shoal'
// @ts-expect-error: a reply is no text
export const handler: Handler = () => 'text'
// @ts-expect-error: an address is a text
export const answer: Answer = { name: 'a.example', type: 'A', data: 5 }
// @ts-expect-error: there is no such section
export const reply = Reply.of({ none: [] })
`,
  )
  await succeeds(app, process.execPath, join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', '.')
  writeFileSync(join(app, 'plugin.cfg'), docExample('writing-a-plugin.md', 'text'))
  const corefile = docExample('writing-a-plugin.md', 'corefile')
    .replace(':1053', ':PORT')
    .replace(/^.*forward.*$/m, '    whoami')
  await serve(corefile, app, async (ask) => {
    assert.deepEqual(await ask('x.ads.example.org.'), ['c0000201'])
    assert.deepEqual(await ask('x.ads.example.org.'), ['c0000201'])
    assert.deepEqual(await ask('www.example.org.'), [])
  })
})
