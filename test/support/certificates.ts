/** Certificates for TLS tests, made by the openssl command for one test run: a CA, a server's and a client's. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Certificates {
  /** Folder with ca.pem, server.pem, server.key, client.pem, client.key. */
  readonly folder: string
  readonly ca: string
  readonly server: { readonly cert: string; readonly key: string }
  readonly client: { readonly cert: string; readonly key: string }
  remove(): void
}

/** The server's certificate is for `dns.example.org` and 127.0.0.1. Undefined where there is no openssl. */
export function makeCertificates(): Certificates | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-tls-'))
  const openssl = (...args: string[]): void => {
    execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
  }
  const key = (name: string): void =>
    openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', `${name}.key`)
  const signed = (name: string, subject: string, extension: string): void => {
    key(name)
    openssl('req', '-new', '-key', `${name}.key`, '-subj', subject, '-out', `${name}.csr`)
    writeFileSync(join(folder, `${name}.ext`), extension)
    openssl(
      ...['x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial'],
      ...['-days', '2', '-extfile', `${name}.ext`, '-out', `${name}.pem`],
    )
  }
  try {
    key('ca')
    openssl('req', '-x509', '-new', '-key', 'ca.key', '-days', '2', '-subj', '/CN=test CA', '-out', 'ca.pem')
  } catch (error) {
    rmSync(folder, { recursive: true })
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  signed('server', '/CN=server', 'subjectAltName=DNS:dns.example.org,IP:127.0.0.1\n')
  signed('client', '/CN=client', 'extendedKeyUsage=clientAuth\n')
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8')
  return {
    folder,
    ca: read('ca.pem'),
    server: { cert: read('server.pem'), key: read('server.key') },
    client: { cert: read('client.pem'), key: read('client.key') },
    remove: () => rmSync(folder, { recursive: true }),
  }
}
