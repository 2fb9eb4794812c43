/**
 * A real kube-apiserver, built by test/e2e/kube/build.sh, and etcd. Tests that need them are skipped and say so where they aren't there,
 * unless SHOAL_REQUIRE_KUBE is set: then kube-apiserver is built, and etcd has to be there.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findProgram, missingUnless } from '../../support/peers.ts'

const BUILD = fileURLToPath(new URL('../../e2e/kube/build.sh', import.meta.url))
const REQUIRED = 'SHOAL_REQUIRE_KUBE'
/** Cold, on a slow machine. */
const BUILD_MS_MAX = 1_800_000

export interface Programs {
  /** All parts of Kubernetes; the first argument chooses. */
  readonly kube: string
  readonly etcd: string
}

/** The programs, or why there are none. Throws where they are required. */
export function findPrograms(): Programs | string {
  const missing = missingUnless(REQUIRED, 'etcd', 'openssl')
  if (missing !== false) return missing
  const kube = process.env[REQUIRED] === undefined ? newestBuild() : build()
  if (kube === undefined) return 'kube-apiserver is not built here: test/e2e/kube/build.sh does it'
  return { kube, etcd: findProgram('etcd')! }
}

/** Takes minutes unless Go's cache has it, and no time when it is built already. */
function build(): string {
  const output = execFileSync('sh', [BUILD], {
    encoding: 'utf8',
    timeout: BUILD_MS_MAX,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return join(output.trim(), 'kube')
}

function newestBuild(): string | undefined {
  const { SHOAL_KUBE_DIR, XDG_CACHE_HOME } = process.env
  const keep = SHOAL_KUBE_DIR ?? join(XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'shoal-kube')
  if (!existsSync(keep)) return undefined
  const programs = readdirSync(keep)
    .map((name) => join(keep, name, 'kube'))
    .filter((path) => existsSync(path))
  return programs.sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)[0]
}
