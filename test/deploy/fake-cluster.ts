/**
 * A kubectl that answers from files: `get` prints what was put for exactly that query, or nothing, as for an object that isn't
 * there. Other commands succeed. What was run is kept, with standard input.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { attempt, type Ended } from '../support/command.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

export const DEPLOY = join(import.meta.dirname, '../../deploy/kubernetes')

const KUBECTL = `#!/bin/sh
here=$(dirname "$0")
printf '%s\\n' "$*" >> "$here/calls"
if [ -f "$here/down" ]; then echo 'connection refused' >&2; exit 1; fi
if [ "$1" = get ]; then
  shift 4
  cat "$here/answers/$(printf '%s' "$*" | tr -c 'A-Za-z0-9' _)" 2>/dev/null
  exit 0
fi
case "$*" in *'--filename -') echo '---' >> "$here/input"; cat >> "$here/input" ;; esac
case "$*" in *'rollout status'*) [ ! -f "$here/not-ready" ] ;; esac
`

export class FakeCluster {
  readonly folder: string = temporaryFolder()

  constructor(answers: Readonly<Record<string, string>> = {}) {
    mkdirSync(join(this.folder, 'answers'))
    writeFileSync(join(this.folder, 'kubectl'), KUBECTL, { mode: 0o755 })
    for (const [query, answer] of Object.entries(answers)) {
      writeFileSync(join(this.folder, 'answers', query.replace(/[^A-Za-z0-9]/g, '_')), answer)
    }
  }

  /** No query is answered, or the former pods don't get ready. */
  set(state: 'down' | 'not-ready'): void {
    writeFileSync(join(this.folder, state), '')
  }

  /** Commands that were run, without the queries. */
  get changes(): readonly string[] {
    const path = join(this.folder, 'calls')
    if (!existsSync(path)) return []
    const calls = readFileSync(path, 'utf8').trimEnd().split('\n')
    return calls.filter((call) => !call.startsWith('get '))
  }

  /** YAML documents that came with the commands. */
  get input(): string {
    const path = join(this.folder, 'input')
    return existsSync(path) ? readFileSync(path, 'utf8') : ''
  }

  run(script: 'deploy.sh' | 'rollback.sh', ...args: string[]): Promise<Ended> {
    return runScript([join(DEPLOY, script), ...args], { KUBECTL: join(this.folder, 'kubectl') })
  }
}

/** deploy.sh on its own. */
export function deployOffline(...args: string[]): Promise<Ended> {
  return runScript([join(DEPLOY, 'deploy.sh'), '--offline', ...args], { KUBECTL: '/nonexistent' })
}

export function runScript(command: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  return attempt(command, { env: { ...process.env, ...env }, timeoutMs: 30_000 })
}

/** Queries of deploy.sh and rollback.sh. */
export const QUERY = {
  addresses: 'service kube-dns --output jsonpath={.spec.clusterIPs[*]}',
  selector: 'service kube-dns --output jsonpath={.spec.selector}',
  service: 'service kube-dns --output yaml',
  stubDomains: 'configmap kube-dns --output jsonpath={.data.stubDomains}',
  upstreams: 'configmap kube-dns --output jsonpath={.data.upstreamNameservers}',
  federations: 'configmap kube-dns --output jsonpath={.data.federations}',
  corefile: 'configmap coredns --output jsonpath={.data.Corefile}',
  configmap: 'configmap coredns --output yaml',
  shoal: 'deployment/shoal --output name',
  deployments: 'deployments --output name',
  behind:
    'deployments --output jsonpath={range .items[?(@.spec.template.metadata.labels.k8s-app=="kube-dns")]}{.metadata.name} {.spec.replicas}{"\\n"}{end}',
  formerKeys: 'configmap shoal-former --output go-template={{range $key, $value := .data}}{{$key}}{{"\\n"}}{{end}}',
} as const

export function formerQuery(key: string): string {
  return `configmap shoal-former --output go-template={{index .data "${key}"}}`
}
