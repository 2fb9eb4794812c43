/**
 * The whole cluster, end to end: `npm run e2e`. A real cluster of one node comes up with a stand-in for kube-dns, and then the commands
 * of the walk-through in docs/kubernetes.md are run as they are written, each chapter with its checks:
 *
 *   images ─► cluster ─► stand-in, upstreams ─► chapters of the walk-through ─► cluster down
 *
 * It needs root on Linux and some packages (machine.ts). Where they are missing it says so and ends with exit code 0, or 1 when
 * SHOAL_REQUIRE_PEERS is set. `--keep` leaves the cluster up until SIGINT or SIGTERM.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { run } from '../support/command.ts'
import { CHECKS, type Chapters } from './checks.ts'
import { Cluster } from './cluster.ts'
import { makeImages } from './images.ts'
import { whatIsMissing } from './machine.ts'
import { walkThrough } from './walk-through.ts'

const PROJECT = join(import.meta.dirname, '../..')
const BUILD_MS_MAX = 3_000_000
const BLOCK_MS_MAX = 300_000

const startedAt = performance.now()

function log(line: string): void {
  console.log(`${((performance.now() - startedAt) / 1000).toFixed(1).padStart(6)} s  ${line}`)
}

async function main(): Promise<number> {
  const missing = whatIsMissing()
  if (missing.length > 0) {
    const isRequired = process.env['SHOAL_REQUIRE_PEERS'] === '1'
    console.log(`${isRequired ? 'failed' : 'skipped'}: ${missing.join('; ')}`)
    return isRequired ? 1 : 0
  }
  const chapters = walkThrough()
  assert.deepEqual(
    Object.keys(CHECKS),
    chapters.map(({ heading }) => heading),
    'each chapter has its check',
  )

  // However it ends, nothing stays behind.
  const interrupted = new Promise<never>((_resolve, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => reject(new Error(signal)))
  })
  interrupted.catch(() => {})
  const [kubeFolder, archives] = await Promise.race([prepare(), interrupted])
  const cluster = new Cluster(kubeFolder, (what) => log(`cluster: ${what}`))
  try {
    const walked = cluster.start(archives).then(() => walk(cluster, chapters))
    walked.catch(() => {})
    await Promise.race([walked, interrupted])
    log('all right')
    if (process.argv.includes('--keep')) {
      log(`kept: KUBECONFIG=${cluster.env['KUBECONFIG']} nsenter --net=/run/netns/${cluster.network}`)
      const timer = setInterval(() => {}, 1_000_000)
      await interrupted.catch(() => {})
      clearInterval(timer)
    }
    return 0
  } catch (error) {
    console.log(error)
    console.log(await describe(cluster))
    return 1
  } finally {
    await cluster.stop()
    log('cluster: down')
  }
}

/** The folder of Kubernetes' programs, and the archives of images. */
async function prepare(): Promise<readonly [string, readonly string[]]> {
  log('Kubernetes: built from source, or from the cache')
  const build = run([join(import.meta.dirname, 'kube/build.sh')], { timeoutMs: BUILD_MS_MAX }).then((path) =>
    path.trim(),
  )
  build.catch(() => {})
  const archives = await makeImages(build, (what) => log(`images: ${what}`))
  return [await build, archives]
}

async function walk(cluster: Cluster, chapters: ReturnType<typeof walkThrough>): Promise<void> {
  log('former DNS and upstreams')
  const manifests = ['former-dns.yaml', 'upstreams.yaml'].flatMap((name) => [
    '-f',
    join(import.meta.dirname, 'manifests', name),
  ])
  await cluster.kubectl(['apply', ...manifests])
  for (const [namespace, name] of [
    ['kube-system', 'kube-dns'],
    ['outside', 'internet'],
    ['outside', 'company'],
  ] as const) {
    await cluster.kubectl(['rollout', 'status', '-n', namespace, `deployment/${name}`, '--timeout=120s'], {
      timeoutMs: 130_000,
    })
  }
  for (const { heading, blocks } of chapters) {
    log(`${heading}`)
    const rest = [...blocks]
    /** Runs the chapter's next block as it is written. */
    const next: Chapters['next'] = async () => {
      const text = rest.shift()
      assert.ok(text !== undefined, `${heading}: no further block`)
      const { status, stdout, stderr } = await cluster.attempt(['bash', '-eu', '-o', 'pipefail', '-c', text], {
        cwd: PROJECT,
        timeoutMs: BLOCK_MS_MAX,
      })
      assert.equal(status, 0, `exit code ${status} of\n${text}\n${stdout}${stderr}`)
      return stdout
    }
    await CHECKS[heading]!({ cluster, next, say: (what) => log(`    ${what}`) })
    assert.equal(rest.length, 0, `${heading}: all blocks were run`)
  }
}

async function describe(cluster: Cluster): Promise<string> {
  const parts: string[] = []
  for (const args of [
    ['get', 'pods,services,deployments', '-A', '-o', 'wide'],
    ['get', 'events', '-A', '--sort-by=.lastTimestamp'],
    ['logs', '-n', 'kube-system', '-l', 'app.kubernetes.io/name=shoal', '--prefix', '--tail=40'],
  ]) {
    const { stdout, stderr } = await cluster.attempt(['kubectl', ...args])
    parts.push(`--- kubectl ${args.join(' ')}\n${(stdout + stderr).split('\n').slice(-60).join('\n')}`)
  }
  return `${parts.join('\n')}\n${cluster.logTails()}`
}

try {
  process.exitCode = await main()
} catch (error) {
  console.log(error)
  process.exitCode = 1
}
// Children that an interruption left end with this process.
process.exit()
