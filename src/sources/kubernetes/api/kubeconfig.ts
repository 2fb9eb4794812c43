/**
 * `kubeconfig FILE [CONTEXT]`: the API server and our account there as kubectl's configuration has them. Loaded only when a
 * Corefile names one, and the YAML library with it.
 */
import { readFile } from 'node:fs/promises'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { type ApiAccess, type Credentials, serverUrl } from './api-access.ts'
import { ExecCredentials } from './exec-credential.ts'
import { KeptFile } from './kept-file.ts'

type Fields = Readonly<Record<string, unknown>>

/** Rejects when the file, the context, or what the context names isn't there, and for a form that isn't known. */
export async function kubeconfigAccess(file: string, context?: string): Promise<ApiAccess> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new Error(`stat ${file}: ${error.code === 'ENOENT' ? 'no such file or directory' : error.message}`)
  })
  const { parse } = await import('yaml')
  let config: unknown
  try {
    config = parse(text)
  } catch (error) {
    throw new Error(`error loading config file "${file}": ${(error as Error).message.split('\n', 1)[0]}`)
  }
  return accessOf(fields(config), dirname(resolve(file)), context)
}

function accessOf(config: Fields, folder: string, wanted: string | undefined): ApiAccess {
  const contextName = wanted ?? words(config['current-context'])
  if (contextName === undefined) throw new Error('invalid configuration: no configuration has been provided')
  const context = named(config['contexts'], contextName, 'context')
  if (context === undefined) throw new Error(`context "${contextName}" does not exist`)
  const clusterName = words(context['cluster']) ?? ''
  const cluster = named(config['clusters'], clusterName, 'cluster')
  if (cluster === undefined) throw new Error(`cluster "${clusterName}" does not exist`)
  const userName = words(context['user'])
  const user = userName === undefined ? {} : named(config['users'], userName, 'user')
  if (user === undefined) throw new Error(`auth info "${userName}" does not exist`)
  if (user['auth-provider'] !== undefined) {
    throw new Error(`auth info "${userName}": auth-provider is no more; use exec`)
  }
  const content = (about: Fields, name: string): Content => contentOf(about, name, folder)
  const ca = content(cluster, 'certificate-authority')
  const cert = content(user, 'client-certificate')
  const key = content(user, 'client-key')
  const tokenFile = words(user['tokenFile'])
  const token =
    tokenFile === undefined ? literal(words(user['token'])) : new KeptContent(new KeptFile(absolute(tokenFile, folder)))
  const exec = user['exec'] === undefined ? undefined : execOf(fields(user['exec']), cluster, folder)
  const basic = basicOf(user)
  const servername = words(cluster['tls-server-name'])
  const isInsecure = cluster['insecure-skip-tls-verify'] === true
  return {
    server: serverUrl(words(cluster['server']) ?? '', false),
    credentials: async (): Promise<Credentials> => {
      const made = await exec?.get()
      const bearer = (await token.read())?.toString('utf8').trim() ?? made?.token
      const tls = {
        ...optional('ca', await ca.read()),
        ...optional('cert', (await cert.read()) ?? made?.cert),
        ...optional('key', (await key.read()) ?? made?.key),
        ...optional('servername', servername),
        ...(isInsecure ? { rejectUnauthorized: false } : {}),
      }
      const authorization = bearer === undefined ? basic : `Bearer ${bearer}`
      return { headers: authorization === undefined ? {} : { authorization }, tls }
    },
    refused: () => {
      exec?.forget()
      for (const each of [ca, cert, key, token]) each.forget()
    },
  }
}

/** A certificate, key or token, from a file or from the configuration itself. */
interface Content {
  read(): Promise<Buffer | undefined>
  forget(): void
}

class KeptContent implements Content {
  readonly #file: KeptFile

  constructor(file: KeptFile) {
    this.#file = file
  }

  read(): Promise<Buffer> {
    return this.#file.read()
  }

  forget(): void {
    this.#file.forget()
  }
}

function literal(value: string | Buffer | undefined): Content {
  const content = value === undefined || value.length === 0 ? undefined : Buffer.from(value)
  return { read: async () => content, forget: () => {} }
}

/** `NAME-data` goes before `NAME`, as in client-go. */
function contentOf(about: Fields, name: string, folder: string): Content {
  const data = words(about[`${name}-data`])
  if (data !== undefined) return literal(Buffer.from(data, 'base64'))
  const path = words(about[name])
  return path === undefined ? literal(undefined) : new KeptContent(new KeptFile(absolute(path, folder)))
}

function execOf(exec: Fields, cluster: Fields, folder: string): ExecCredentials {
  const command = words(exec['command'])
  if (command === undefined) throw new Error('exec: command must be specified')
  const apiVersion = words(exec['apiVersion'])
  if (apiVersion === undefined) throw new Error('exec: apiVersion must be specified')
  const env = list(exec['env']).map((each) => [words(fields(each)['name']) ?? '', words(fields(each)['value']) ?? ''])
  const { server, 'certificate-authority-data': ca, 'tls-server-name': name } = cluster
  const about = {
    server,
    ...optional('certificate-authority-data', ca),
    ...optional('tls-server-name', name),
    ...optional('insecure-skip-tls-verify', cluster['insecure-skip-tls-verify']),
  }
  return new ExecCredentials({
    command: command.includes('/') ? absolute(command, folder) : command,
    args: list(exec['args']).map((each) => String(each)),
    env: Object.fromEntries(env),
    apiVersion,
    cluster: exec['provideClusterInfo'] === true ? about : undefined,
    folder,
  })
}

function basicOf(user: Fields): string | undefined {
  const name = words(user['username'])
  if (name === undefined) return undefined
  return `Basic ${Buffer.from(`${name}:${words(user['password']) ?? ''}`).toString('base64')}`
}

function named(entries: unknown, name: string, kind: string): Fields | undefined {
  const entry = list(entries).find((each) => fields(each)['name'] === name)
  return entry === undefined ? undefined : fields(fields(entry)[kind])
}

function absolute(path: string, folder: string): string {
  return isAbsolute(path) ? path : join(folder, path)
}

function optional<K extends string, V>(name: K, value: V | undefined): { [key in K]?: V } {
  return value === undefined ? {} : ({ [name]: value } as { [key in K]?: V })
}

function words(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {}
}
