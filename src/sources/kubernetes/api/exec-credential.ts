/**
 * Credentials from a program that a kubeconfig names (`exec`), as cloud providers have them. KEP-541; client.authentication.k8s.io/v1
 * and v1beta1. What the program prints is kept until it expires or the API refuses it.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)
const RUN_MS_MAX = 60_000
const OUTPUT_SIZE_MAX = 1 << 20
/** Fresh credentials are fetched so long before the old ones expire. */
const MARGIN_MS = 10_000

export interface ExecSetting {
  readonly command: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly apiVersion: string
  /** Of the cluster, for programs that ask for it; undefined when they don't. */
  readonly cluster: Readonly<Record<string, unknown>> | undefined
  /** Folder that a relative command with a slash starts from. */
  readonly folder: string
}

export interface ExecCredential {
  readonly token: string | undefined
  readonly cert: string | undefined
  readonly key: string | undefined
}

export class ExecCredentials {
  readonly #setting: ExecSetting
  #kept: { readonly credential: ExecCredential; readonly untilMs: number } | undefined
  #running: Promise<ExecCredential> | undefined

  constructor(setting: ExecSetting) {
    this.#setting = setting
  }

  /** Rejects when the program fails or prints something else. */
  async get(): Promise<ExecCredential> {
    if (this.#kept !== undefined && Date.now() < this.#kept.untilMs) return this.#kept.credential
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  forget(): void {
    this.#kept = undefined
  }

  async #run(): Promise<ExecCredential> {
    const { command, args, env, apiVersion, cluster, folder } = this.#setting
    const spec = { interactive: false, ...(cluster === undefined ? {} : { cluster }) }
    const info = JSON.stringify({ kind: 'ExecCredential', apiVersion, spec })
    const { stdout } = await run(command, args, {
      cwd: folder,
      env: { ...process.env, ...env, KUBERNETES_EXEC_INFO: info },
      timeout: RUN_MS_MAX,
      maxBuffer: OUTPUT_SIZE_MAX,
    }).catch((error: Error) => {
      throw new Error(`getting credentials: exec: ${error.message.split('\n', 1)[0]}`)
    })
    const credential = readCredential(stdout, command)
    this.#kept = credential
    return credential.credential
  }
}

function readCredential(
  text: string,
  command: string,
): { readonly credential: ExecCredential; readonly untilMs: number } {
  const problem = (what: string): Error => new Error(`getting credentials: ${command} printed ${what}`)
  let status: Readonly<Record<string, unknown>> | undefined
  try {
    status = (JSON.parse(text) as { readonly status?: Readonly<Record<string, unknown>> }).status
  } catch {
    throw problem('no JSON')
  }
  const field = (name: string): string | undefined => {
    const value = status?.[name]
    return typeof value === 'string' && value !== '' ? value : undefined
  }
  const credential = { token: field('token'), cert: field('clientCertificateData'), key: field('clientKeyData') }
  if (credential.token === undefined && credential.cert === undefined)
    throw problem('neither a token nor a certificate')
  const expiration = field('expirationTimestamp')
  const at = expiration === undefined ? Number.POSITIVE_INFINITY : Date.parse(expiration)
  return { credential, untilMs: Number.isNaN(at) ? 0 : at - MARGIN_MS }
}
