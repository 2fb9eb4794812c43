/**
 * A real kube-apiserver with etcd behind it, on 127.0.0.1, for as long as a test runs.
 *
 *   TLS and RBAC; an account with exactly what deploy/kubernetes gives Shoal, and an administrator for what tests write;
 *   no controllers, no nodes: objects are what tests make them
 *   services have no watch cache: lists and watches come from etcd, so a compaction there is a 410 here; the others have one
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { cpSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseAllDocuments } from 'yaml'
import { makeApiCertificates } from '../../support/certificates.ts'
import { freePort } from '../../support/dns-client.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { until } from '../../support/until.ts'
import type { Programs } from './programs.ts'

const ADMIN_TOKEN = 'admin-of-the-tests'
const READY_MS_MAX = 120_000
const STOP_MS_MAX = 5000
/** Service addresses of the tests are in here. */
const SERVICE_NETWORKS = '10.96.0.0/12,fd00:96::/112'
const DEPLOY = fileURLToPath(new URL('../../../deploy/kubernetes/deploy.sh', import.meta.url))
const KINDS: Readonly<Record<string, string>> = {
  ServiceAccount: '/api/v1/namespaces/kube-system/serviceaccounts',
  ClusterRole: '/apis/rbac.authorization.k8s.io/v1/clusterroles',
  ClusterRoleBinding: '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings',
}

interface Manifest {
  readonly kind: string
  readonly metadata: { readonly name: string }
}

export interface Account {
  readonly name: string
  readonly token: string
}

export class RealApi {
  readonly folder: string
  readonly #programs: Programs
  readonly #children: ChildProcess[] = []
  #etcdPort = 0
  #peerPort = 0
  #port = 0
  #saved = 0
  #ca = ''
  /** What deploy.sh prints, with and without the multicluster zone. */
  #manifests: readonly Manifest[] = []

  private constructor(programs: Programs) {
    this.#programs = programs
    this.folder = temporaryFolder()
  }

  /** Resolves when it is ready: after about 15 s. */
  static async start(programs: Programs): Promise<RealApi> {
    const api = new RealApi(programs)
    try {
      await api.#start()
    } catch (error) {
      await api.stop()
      throw error
    }
    return api
  }

  get url(): string {
    return `https://127.0.0.1:${this.#port}`
  }

  get caFile(): string {
    return this.#path('ca.pem')
  }

  /** May do everything. */
  get adminToken(): string {
    return ADMIN_TOKEN
  }

  /** The last lines of what the programs said. */
  logTails(): string {
    const tail = (name: string): string => readFileSync(this.#path(name), 'utf8').split('\n').slice(-20).join('\n')
    return `--- etcd\n${tail('etcd.log')}\n--- kube-apiserver\n${tail('api.log')}`
  }

  async stop(): Promise<void> {
    await this.#end()
    rmSync(this.folder, { recursive: true, force: true })
  }

  /** Versions up to now can't be watched or listed from any more. */
  async compact(): Promise<void> {
    const range = await this.#etcd('kv/range', { key: Buffer.from('/').toString('base64'), limit: 1 })
    const { revision } = (range as { readonly header: { readonly revision: string } }).header
    await this.#etcd('kv/compaction', { revision, physical: true })
  }

  /** Resolves with a name for `restore`. Watches end: the API server stops for a moment. */
  async save(): Promise<string> {
    const name = `saved-${++this.#saved}`
    await this.#end()
    cpSync(this.#path('etcd'), this.#path(name), { recursive: true })
    await this.#run()
    return name
  }

  /** The state of then, as after a restore from a backup: versions go on from there. */
  async restore(name: string): Promise<void> {
    await this.#end()
    rmSync(this.#path('etcd'), { recursive: true })
    cpSync(this.#path(name), this.#path('etcd'), { recursive: true })
    await this.#run()
  }

  /** A fresh token of Shoal's account. `replace`: the account is made anew, so that the tokens it had are worth nothing. */
  async token(account: string, replace = false): Promise<string> {
    const path = `${KINDS['ServiceAccount']}/${account}`
    if (replace) {
      await this.#send('DELETE', path)
      await this.#apply(
        this.#manifests.find(({ kind, metadata }) => kind === 'ServiceAccount' && metadata.name === account)!,
      )
    }
    const made = await this.#send('POST', `${path}/token`, {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: {},
    })
    return (made as { readonly status: { readonly token: string } }).status.token
  }

  async #start(): Promise<void> {
    this.#makeCertificates()
    writeFileSync(this.#path('tokens.csv'), `${ADMIN_TOKEN},admin,admin,system:masters\n`)
    this.#etcdPort = await freePort()
    this.#peerPort = await freePort()
    this.#port = await freePort()
    mkdirSync(this.#path('etcd'), { mode: 0o700 })
    await this.#run()
    this.#manifests = [
      ...manifestsFor('shoal', 'pods verified'),
      ...manifestsFor('shoal-multi', 'pods verified\nmulticluster clusterset.local'),
    ]
    for (const manifest of this.#manifests) await this.#apply(manifest)
    await this.#send('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', SERVICE_IMPORTS)
    await until(
      'ServiceImports are served',
      () => this.#answers('/apis/multicluster.x-k8s.io/v1alpha1/serviceimports'),
      READY_MS_MAX,
    )
  }

  async #run(): Promise<void> {
    const client = `http://127.0.0.1:${this.#etcdPort}`
    const peer = `http://127.0.0.1:${this.#peerPort}`
    this.#spawn('etcd', this.#programs.etcd, [
      ...['--data-dir', this.#path('etcd'), '--listen-client-urls', client, '--advertise-client-urls', client],
      ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', `default=${peer}`],
      ...['--log-level', 'warn', '--unsafe-no-fsync'],
    ])
    this.#spawn('api', this.#programs.kube, [
      'kube-apiserver',
      `--etcd-servers=${client}`,
      '--bind-address=127.0.0.1',
      '--advertise-address=127.0.0.1',
      `--secure-port=${this.#port}`,
      `--tls-cert-file=${this.#path('api.pem')}`,
      `--tls-private-key-file=${this.#path('api.key')}`,
      `--cert-dir=${this.folder}`,
      '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
      `--service-account-key-file=${this.#path('accounts.key')}`,
      `--service-account-signing-key-file=${this.#path('accounts.key')}`,
      `--token-auth-file=${this.#path('tokens.csv')}`,
      `--service-cluster-ip-range=${SERVICE_NETWORKS}`,
      '--authorization-mode=RBAC',
      '--allow-privileged',
      '--anonymous-auth=false',
      // The reconciler would make 127.0.0.1 an endpoint, which is no address for one.
      '--endpoint-reconciler-type=none',
      // Its controller isn't there to make each namespace's account.
      '--disable-admission-plugins=ServiceAccount',
      '--watch-cache-sizes=services#0',
      // Compaction is the tests'.
      '--etcd-compaction-interval=0',
      // At the end nobody waits for watches.
      '--shutdown-delay-duration=0s',
    ])
    await until('the API server is ready', () => this.#answers('/readyz'), READY_MS_MAX)
  }

  async #end(): Promise<void> {
    for (const child of this.#children.splice(0).reverse()) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      const ended = new Promise((resolve) => child.once('close', resolve))
      child.kill('SIGTERM')
      // The API server drains slowly.
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX)
      await ended
      clearTimeout(timer)
    }
  }

  #spawn(name: string, program: string, args: readonly string[]): void {
    const log = openSync(this.#path(`${name}.log`), 'a')
    this.#children.push(spawn(program, args, { stdio: ['ignore', log, log], cwd: this.folder }))
  }

  async #answers(path: string): Promise<boolean> {
    const ended = this.#children.find(({ exitCode }) => exitCode !== null)
    if (ended !== undefined) throw new Error(`${ended.spawnfile} ended with code ${ended.exitCode}\n${this.logTails()}`)
    return this.#send('GET', path).then(
      () => true,
      () => false,
    )
  }

  async #apply(manifest: Manifest): Promise<void> {
    await this.#send('POST', KINDS[manifest.kind]!, manifest)
  }

  #send(method: string, path: string, body?: object): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' }
      const sent = request(new URL(path, this.url), { method, ca: this.#ca, headers, agent: false }, (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (part: string) => {
          text += part
        })
        response.on('end', () => {
          const code = response.statusCode ?? 0
          if (code >= 300) reject(new Error(`${method} ${path}: ${code} ${text}`))
          else resolve(text.startsWith('{') ? JSON.parse(text) : text)
        })
        response.on('error', reject)
      })
      sent.on('error', reject)
      sent.end(body === undefined ? undefined : JSON.stringify(body))
    })
  }

  async #etcd(path: string, body: object): Promise<unknown> {
    const response = await fetch(`http://127.0.0.1:${this.#etcdPort}/v3/${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
    })
    if (!response.ok) throw new Error(`etcd ${path}: ${response.status} ${await response.text()}`)
    return response.json()
  }

  #makeCertificates(): void {
    makeApiCertificates(this.folder, 'DNS:kubernetes.default.svc,IP:127.0.0.1')
    this.#ca = readFileSync(this.caFile, 'utf8')
  }

  #path(name: string): string {
    return join(this.folder, name)
  }
}

/** The account and its rights as deploy.sh prints them for a Corefile, under another name. */
function manifestsFor(name: string, options: string): readonly Manifest[] {
  const corefile = `.:53 {\nkubernetes cluster.local clusterset.local {\n${options}\n}\n}\n`
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'Corefile'), corefile)
  const printed = execFileSync(
    DEPLOY,
    ['--offline', '--dns-ip', '10.96.0.10', '--corefile', join(folder, 'Corefile')],
    {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  return parseAllDocuments(printed)
    .map((document) => document.toJS() as Manifest | null)
    .filter((each): each is Manifest => each !== null && each.kind in KINDS)
    .map((each) => JSON.parse(JSON.stringify(each).replaceAll(/"(system:)?shoal"/g, `"$1${name}"`)) as Manifest)
}

/** The part of KEP-1645's definition that matters here. */
const SERVICE_IMPORTS = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: {
    name: 'serviceimports.multicluster.x-k8s.io',
    annotations: { 'api-approved.kubernetes.io': 'https://github.com/kubernetes/enhancements/pull/1646' },
  },
  spec: {
    group: 'multicluster.x-k8s.io',
    scope: 'Namespaced',
    names: {
      kind: 'ServiceImport',
      listKind: 'ServiceImportList',
      plural: 'serviceimports',
      singular: 'serviceimport',
    },
    versions: [
      {
        name: 'v1alpha1',
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ],
  },
}
