import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs, { closeSync, openSync, readFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import test from 'node:test'
import { LineWriter } from '../../src/observe/line-writer.ts'
import { oneLine } from '../../src/observe/log.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/until.ts'

const MODULES = new URL('../../src/observe/', import.meta.url).href
const run = (code: string): string[] => [
  '--input-type=module',
  '-e',
  `import { createLogger, logFatal, setDebug } from '${MODULES}log.ts'
   import { standardOutput, LINES_SIZE_MAX } from '${MODULES}line-writer.ts'
   ${code}`,
]

test('log lines have a level, the plugin and no timestamp; debug lines only when asked for', () => {
  const { stdout } = spawnSync(
    process.execPath,
    run(`
      const log = createLogger()
      const plugin = createLogger('file')
      log.info('Reloading'); log.debug('unseen'); setDebug(true); log.debug('seen')
      plugin.warning('two\\nlines'); plugin.error('x\\u001b[31m'); logFatal('end')
    `),
    { encoding: 'latin1' },
  )
  assert.deepEqual(stdout.split('\n'), [
    '[INFO] Reloading',
    '[DEBUG] seen',
    '[WARNING] plugin/file: two\\010lines',
    '[ERROR] plugin/file: x\\027[31m',
    '[FATAL] end',
    '',
  ])
})

test('control characters are written as \\DDD, everything else stays', () => {
  assert.equal(oneLine('a\u0000b\u007f\u0085\u2028ü'), 'a\\000b\\127\\133\\8232ü')
})

test('lines to a file are whole, and none is lost at the end', () => {
  const path = join(temporaryFolder(), 'out')
  const { status } = spawnSync(
    process.execPath,
    run(`
      const out = standardOutput()
      for (let i = 0; i < 20000; i++) {
        const at = out.reserve(100)
        if (at < 0) { await new Promise((resolve) => setTimeout(resolve, 5)); i--; continue }
        out.commit(at + out.buffer.write('line ' + i + '\\n', at))
      }
      createLogger().info('last')
    `),
    { stdio: ['ignore', openSync(path, 'w'), 'inherit'] },
  )
  assert.equal(status, 0)
  const lines = readFileSync(path, 'latin1').trimEnd().split('\n')
  assert.equal(lines.length, 20001)
  // What was still in the buffer at the end may overtake the write under way.
  const numbers = lines.filter((line) => line !== '[INFO] last').map((line) => Number(/^line (\d+)$/.exec(line)?.[1]))
  assert.deepEqual(
    numbers.sort((a, b) => a - b),
    [...Array(20000).keys()],
  )
})

test('a reader that stalls costs lines, which are counted; the writer neither waits nor grows', async () => {
  const child = spawn(
    process.execPath,
    run(`
      const out = standardOutput()
      const startedAt = performance.now()
      let written = 0
      for (let i = 0; i < 50000; i++) {
        const at = out.reserve(100)
        if (at < 0) continue
        out.commit(at + out.buffer.write('x'.repeat(60) + '\\n', at))
        written++
      }
      process.stderr.write(JSON.stringify({ written, dropped: out.dropped, size: out.buffer.length, ms: performance.now() - startedAt }))
      process.exit(0)
    `),
    { stdio: ['ignore', 'pipe', 'pipe'] },
  )
  child.stdout.pause()
  let report = ''
  child.stderr.on('data', (data) => {
    report += data
  })
  await once(child, 'exit')
  const { written, dropped, size, ms } = JSON.parse(report)
  assert.equal(written + dropped, 50000)
  assert.ok(dropped > 40000, `dropped ${dropped}`)
  assert.equal(size, 256 * 1024)
  assert.ok(ms < 2000, `${ms} ms`)
})

test('lines from several processes on one pipe do not run into each other', async () => {
  const code = `
    const out = standardOutput()
    for (let i = 0; i < 3000; i++) {
      const at = out.reserve(200)
      if (at < 0) { i--; await new Promise((resolve) => setTimeout(resolve, 1)); continue }
      out.commit(at + out.buffer.write(process.argv[1].repeat(100) + '\\n', at))
    }`
  const quoted = (name: string) =>
    `${process.execPath} ${run(code)
      .map((word) => `'${word.replaceAll("'", "'\\''")}'`)
      .join(' ')} ${name}`
  const { stdout } = spawnSync('sh', ['-c', `{ ${quoted('a')} & ${quoted('b')} & wait; } | cat`], {
    encoding: 'latin1',
    maxBuffer: 1 << 24,
  })
  const lines = stdout.trimEnd().split('\n')
  assert.equal(lines.length, 6000)
  for (const line of lines) assert.match(line, /^(a{100}|b{100})$/)
})

test('a line is written at once, those that follow it closely together', async (t) => {
  const real = fs.write
  let writes = 0
  fs.write = ((...args: Parameters<typeof real>) => {
    writes++
    return real(...args)
  }) as typeof real
  syncBuiltinESMExports()
  t.after(() => {
    fs.write = real
    syncBuiltinESMExports()
  })
  const file = join(temporaryFolder(), 'crowd')
  const fd = openSync(file, 'w')
  t.after(() => closeSync(fd))
  const writer = new LineWriter(fd, 'threaded')
  writer.line('line 0')
  assert.equal(writes, 1)
  for (let i = 1; i < 1000; i++) {
    writer.line(`line ${i}`)
    if (i % 10 === 0) await new Promise(setImmediate)
  }
  await until('all are written', () => readFileSync(file, 'utf8').endsWith('line 999\n'))
  assert.equal(readFileSync(file, 'utf8'), Array.from({ length: 1000 }, (_, i) => `line ${i}\n`).join(''))
  assert.ok(writes < 100, `${writes} writes`)
})
