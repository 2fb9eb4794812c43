/** A real kube-apiserver, built by test/e2e/kube/build.sh, and etcd. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findProgram, missingPrograms } from '../../support/peers.ts'

const BUILD = fileURLToPath(new URL('../../e2e/kube/build.sh', import.meta.url))
/** Cold, on a slow machine. */
const BUILD_MS_MAX = 1_800_000

export interface Programs {
  /** All parts of Kubernetes; the first argument chooses. */
  readonly kube: string
  readonly etcd: string
}

/**
 * The programs, or why there are none; throws where CI requires them. The build takes minutes unless Go's cache has it,
 * and no time when it was made before.
 */
export function findPrograms(): Programs | string {
  const missing = missingPrograms('etcd', 'openssl', 'go')
  if (missing !== false) return missing
  const folder = execFileSync('sh', [BUILD], {
    encoding: 'utf8',
    timeout: BUILD_MS_MAX,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return { kube: join(folder.trim(), 'kube'), etcd: findProgram('etcd')! }
}
