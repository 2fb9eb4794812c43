/** Whether this machine can run a whole cluster. */
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Debian's packages, for the message. */
export const PACKAGES =
  'etcd-server containerd runc containernetworking-plugins nftables conntrack socat iproute2 debootstrap buildah openssl'

const PROGRAMS = [
  ...['go', 'npm', 'etcd', 'containerd', 'ctr', 'runc', 'nft', 'conntrack', 'ip', 'nsenter', 'umount'],
  ...['debootstrap', 'buildah', 'tar', 'openssl'],
]
const FILES = [
  '/usr/lib/cni/bridge',
  '/usr/lib/cni/host-local',
  '/usr/lib/cni/portmap',
  '/etc/ssl/certs/ca-certificates.crt',
]

/** Why not; empty if it can. */
export function whatIsMissing(): readonly string[] {
  if (process.platform !== 'linux') return ['it needs Linux']
  const missing: string[] = []
  if (process.getuid?.() !== 0) missing.push('it needs root: network namespaces, mounts and containers')
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  const absent = PROGRAMS.filter((name) => !folders.some((folder) => isThere(join(folder, name), constants.X_OK)))
  absent.push(...FILES.filter((path) => !isThere(path, constants.R_OK)))
  if (absent.length > 0) missing.push(`not found: ${absent.join(', ')} (Debian: Go and ${PACKAGES})`)
  return missing
}

function isThere(path: string, mode: number): boolean {
  try {
    accessSync(path, mode)
    return true
  } catch {
    return false
  }
}
