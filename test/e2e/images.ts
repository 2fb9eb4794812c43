/**
 * The images of the pods, made without any registry: a Debian base by debootstrap, everything else by buildah on top of it.
 *
 *   base ─┬─ tools ── nginx          web server, other DNS servers, clients
 *         ├─ build-base ┐
 *         └─────────────┴─ shoal     the project's own Dockerfile, BUILD_BASE and BASE given
 *   pause                            from an empty base
 *
 * The base is kept between runs, and buildah keeps what it made; SHOAL_E2E_DIR says where.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { run } from '../support/command.ts'

const PROJECT = join(import.meta.dirname, '../..')
const DEBIAN = 'bookworm'
const MIRROR = 'http://deb.debian.org/debian'
/** Of the base only what runs is wanted. */
const LEFT_OUT = [
  './var/cache/apt',
  './var/lib/apt/lists',
  './usr/share/doc',
  './usr/share/locale',
  './usr/share/man',
  './dev',
]
const BUILD_MS_MAX = 900_000

/** What the cluster calls them. The walk-through names nginx and the client's image as people have them. */
export const IMAGES = {
  shoal: 'docker.io/library/shoal:0.1.0',
  nginx: 'docker.io/library/nginx:1.27',
  tools: 'docker.io/nicolaka/netshoot:v0.13',
  pause: 'shoal.example/pause:1',
} as const

/** Makes what is missing or old; gives the archives, in OCI's form, that hold the images. */
export async function makeImages(kube: Promise<string>, log: (line: string) => void): Promise<readonly string[]> {
  const kept =
    process.env['SHOAL_E2E_DIR'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'shoal-e2e')
  mkdirSync(kept, { recursive: true })
  const work = mkdtempSync(join(kept, 'work-'))
  try {
    const base = join(kept, `base-${DEBIAN}-1.tar`)
    if (!existsSync(base)) {
      log('base: debootstrap')
      await makeBase(base, work)
    }
    const builder = new Builder(kept, work)
    log('base, tools, build-base')
    await builder.build(
      'shoal-e2e-base',
      'FROM scratch\nADD base.tar /\nENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n',
      {
        'base.tar': base,
      },
    )
    await builder.buildFrom('shoal-e2e-tools', 'tools.Dockerfile', {})
    await builder.buildFrom('shoal-e2e-nginx', 'nginx.Dockerfile', {})
    const npm = dirname(dirname((await run(['sh', '-c', 'readlink -f "$(command -v npm)"'])).trim()))
    await builder.buildFrom('shoal-e2e-build-base', 'build-base.Dockerfile', {
      node: process.execPath,
      npm,
      'ca-certificates.crt': '/etc/ssl/certs/ca-certificates.crt',
    })
    await builder.build(
      'shoal-e2e-pause',
      'FROM scratch\nCOPY pause /pause\nUSER 65535:65535\nENTRYPOINT ["/pause"]\n',
      {
        pause: join(await kube, 'pause'),
      },
    )
    log('shoal: its own Dockerfile')
    const cache = (await run(['npm', 'config', 'get', 'cache'])).trim()
    mkdirSync(cache, { recursive: true })
    const file = join(PROJECT, 'deploy/kubernetes/Dockerfile')
    await builder.buildah(
      ...['bud', '--isolation', 'chroot', '--layers', '-v', `${cache}:/root/.npm`, '-f', file],
      ...['--ignorefile', `${file}.dockerignore`, '-t', 'shoal-e2e-shoal'],
      ...[
        '--build-arg',
        'BUILD_BASE=localhost/shoal-e2e-build-base',
        '--build-arg',
        'BASE=localhost/shoal-e2e-base',
        PROJECT,
      ],
    )
    const archives: string[] = []
    for (const [name, reference] of Object.entries(IMAGES)) {
      const archive = join(kept, `${name}.oci.tar`)
      rmSync(archive, { force: true })
      await builder.buildah('push', '-q', `localhost/shoal-e2e-${name}`, `oci-archive:${archive}:${reference}`)
      archives.push(archive)
    }
    return archives
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

async function makeBase(archive: string, work: string): Promise<void> {
  const root = join(work, 'root')
  const include = '--include=ca-certificates'
  await run(['debootstrap', '--variant=minbase', include, DEBIAN, root, MIRROR], { timeoutMs: BUILD_MS_MAX })
  const without = LEFT_OUT.map((path) => `--exclude=${path}/*`)
  await run(['tar', '-C', root, ...without, '-cf', `${archive}.new`, '.'], { timeoutMs: BUILD_MS_MAX })
  renameSync(`${archive}.new`, archive)
  rmSync(root, { recursive: true, force: true })
}

class Builder {
  readonly #storage: readonly string[]
  readonly #work: string

  constructor(kept: string, work: string) {
    this.#storage = ['--root', join(kept, 'storage'), '--runroot', join(kept, 'run'), '--storage-driver', 'overlay']
    this.#work = work
  }

  buildah(...args: string[]): Promise<string> {
    return run(['buildah', ...this.#storage, ...args], { timeoutMs: BUILD_MS_MAX })
  }

  async buildFrom(name: string, dockerfile: string, files: Readonly<Record<string, string>>): Promise<void> {
    await this.#bud(name, join(import.meta.dirname, 'images', dockerfile), files)
  }

  async build(name: string, dockerfile: string, files: Readonly<Record<string, string>>): Promise<void> {
    const path = join(this.#work, `${name}.Dockerfile`)
    writeFileSync(path, dockerfile)
    await this.#bud(name, path, files)
  }

  async #bud(name: string, dockerfile: string, files: Readonly<Record<string, string>>): Promise<void> {
    const context = join(this.#work, name)
    mkdirSync(context)
    // buildah takes a file with another time for another file.
    for (const [to, from] of Object.entries(files)) {
      cpSync(from, join(context, to), { recursive: true, preserveTimestamps: true, dereference: true })
    }
    await this.buildah('bud', '-q', '--isolation', 'chroot', '--layers', '-f', dockerfile, '-t', name, context)
    rmSync(context, { recursive: true, force: true })
  }
}
