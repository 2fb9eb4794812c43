/** Certificates for TLS tests, made by the openssl command for one test run: a CA, a server's and a client's. */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from './temporary-folder.ts'

export interface Certificates {
  /** Folder with ca.pem, server.pem, server.key, client.pem, client.key. */
  readonly folder: string
  readonly ca: string
  readonly server: { readonly cert: string; readonly key: string }
  readonly client: { readonly cert: string; readonly key: string }
}

/** A CA in a folder: ca.pem and ca.key. Its members throw what the openssl command says. */
export class Authority {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
    this.#makeKey('ca')
    this.openssl('req', '-x509', '-new', '-key', 'ca.key', '-days', '2', '-subj', '/CN=test CA', '-out', 'ca.pem')
  }

  /** Makes NAME.pem and NAME.key. `extension`: a line of OpenSSL's configuration. */
  sign(name: string, subject: string, extension: string): void {
    this.#makeKey(name)
    this.openssl('req', '-new', '-key', `${name}.key`, '-subj', subject, '-out', `${name}.csr`)
    writeFileSync(join(this.#folder, `${name}.ext`), `${extension}\n`)
    this.openssl(
      ...['x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial'],
      ...['-days', '2', '-extfile', `${name}.ext`, '-out', `${name}.pem`],
    )
  }

  /** Runs the command in the folder. */
  openssl(...args: string[]): void {
    execFileSync('openssl', args, { cwd: this.#folder, stdio: 'pipe' })
  }

  #makeKey(name: string): void {
    this.openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', `${name}.key`)
  }
}

/** What a Kubernetes API server needs: besides the CA api.pem, api.key, and accounts.key for its tokens. */
export function makeApiCertificates(folder: string, subjectAltName: string): void {
  const authority = new Authority(folder)
  authority.sign('api', '/CN=kube-apiserver', `subjectAltName=${subjectAltName}`)
  authority.openssl('genrsa', '-out', 'accounts.key', '2048')
}

/** The server's certificate is for `dns.example.org` and 127.0.0.1. Undefined where there is no openssl. */
export function makeCertificates(): Certificates | undefined {
  const folder = temporaryFolder()
  let authority: Authority
  try {
    authority = new Authority(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  authority.sign('server', '/CN=server', 'subjectAltName=DNS:dns.example.org,IP:127.0.0.1')
  authority.sign('client', '/CN=client', 'extendedKeyUsage=clientAuth')
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8')
  return {
    folder,
    ca: read('ca.pem'),
    server: { cert: read('server.pem'), key: read('server.key') },
    client: { cert: read('client.pem'), key: read('client.key') },
  }
}
