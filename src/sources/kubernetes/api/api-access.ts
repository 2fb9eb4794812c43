/**
 * How the API server is reached and who we are there: the server's URL, the certificates that prove either side, and the
 * token. Everything may change while the server runs, so it is asked for before each request.
 *
 *   inClusterAccess     the pod's service account
 *   endpointAccess      `endpoint` and `tls` of the Corefile
 *   kubeconfig.ts       `kubeconfig` of the Corefile
 */
import { join } from 'node:path'
import type { SecureContextOptions } from 'node:tls'
import { KeptFile } from './kept-file.ts'

/** What one request needs. */
export interface Credentials {
  readonly headers: Readonly<Record<string, string>>
  readonly tls: SecureContextOptions & { readonly servername?: string; readonly rejectUnauthorized?: boolean }
}

export interface ApiAccess {
  readonly server: URL
  /** What holds now. Rejects when it can't be found out. */
  credentials(): Promise<Credentials>
  /** The server didn't know us: the next credentials are read anew, whatever the files' times say. */
  refused(): void
}

/** Where Kubernetes puts a pod's account. */
export const ACCOUNT_FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount'

/** The account of the pod that this process runs in. Throws when it runs in none. */
export function inClusterAccess(
  environment: Readonly<Record<string, string | undefined>> = process.env,
  folder: string = ACCOUNT_FOLDER,
): ApiAccess {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = environment
  if (host === undefined || host === '' || port === undefined || port === '') {
    throw new Error(
      'unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be defined',
    )
  }
  const token = new KeptFile(join(folder, 'token'))
  const ca = new KeptFile(join(folder, 'ca.crt'))
  return {
    server: new URL(`https://${host.includes(':') ? `[${host}]` : host}:${port}`),
    credentials: async () => ({
      headers: { authorization: `Bearer ${(await token.read()).toString('utf8').trim()}` },
      tls: { ca: await ca.read() },
    }),
    refused: () => {
      token.forget()
      ca.forget()
    },
  }
}

export interface TlsFiles {
  readonly cert: string
  readonly key: string
  readonly ca: string
}

/** A server by URL, `http://…` or `https://…`; without a scheme it is http, as client-go has it. Throws for what is no URL. */
export function endpointAccess(endpoint: string, tls?: TlsFiles): ApiAccess {
  const server = serverUrl(endpoint, tls !== undefined)
  const cert = tls === undefined ? undefined : new KeptFile(tls.cert)
  const key = tls === undefined ? undefined : new KeptFile(tls.key)
  const ca = tls === undefined ? undefined : new KeptFile(tls.ca)
  return {
    server,
    credentials: async () => ({
      headers: {},
      tls: {
        ...(cert === undefined ? {} : { cert: await cert.read() }),
        ...(key === undefined ? {} : { key: await key.read() }),
        ...(ca === undefined ? {} : { ca: await ca.read() }),
      },
    }),
    refused: () => {
      for (const file of [cert, key, ca]) file?.forget()
    },
  }
}

/** The URL of a server as a Corefile or a kubeconfig names it. `secure`: https where no scheme is given. */
export function serverUrl(text: string, secure: boolean): URL {
  const url = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `${secure ? 'https' : 'http'}://${text}`
  const server = URL.canParse(url) ? new URL(url) : undefined
  if (server === undefined || (server.protocol !== 'http:' && server.protocol !== 'https:') || server.host === '') {
    throw new Error(`"${text}" is not the address of an API server`)
  }
  return server
}
