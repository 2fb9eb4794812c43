import { readFileSync } from 'node:fs'
import { VERSION } from './version.ts'

/** Go's names for the processors that Node runs on; operators' scripts look for these. */
const GO_ARCH: ReadonlyMap<string, string> = new Map([
  ['x64', 'amd64'],
  ['ia32', '386'],
])

/** The end of the banner, and what `-version` prints: `Shoal-1.2.3`, then `linux/amd64, node26.1.0, COMMIT`. */
export function versionLines(): readonly [string, string] {
  const system = process.platform === 'win32' ? 'windows' : process.platform
  const arch = GO_ARCH.get(process.arch) ?? process.arch
  return [`Shoal-${VERSION}`, `${system}/${arch}, node${process.versions.node}, ${commit()}`]
}

/** The commit that npm noted when the package was published; empty in a clone. */
function commit(): string {
  const about: { readonly gitHead?: string } = JSON.parse(
    readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
  )
  return about.gitHead?.slice(0, 7) ?? ''
}
