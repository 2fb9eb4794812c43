/** The layouts and numbers of `layout.ts` are those of the C library's headers: for this machine, and for others whose compilers are here. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import * as layout from '../../src/mmsg/layout.ts'

const COMPILERS = [
  { compiler: 'cc', about: 'this machine' },
  { compiler: 'aarch64-linux-gnu-gcc', about: 'arm64' },
]
const HEADERS = ['stddef.h', 'errno.h', 'net/if.h', 'netinet/in.h', 'sys/socket.h', 'sys/uio.h', 'linux/sock_diag.h']

/** What C has by another name, or tells of its types. */
const EXPRESSIONS: Readonly<Record<string, string>> = {
  MMSGHDR_SIZE: 'sizeof(struct mmsghdr)',
  MSG_NAME: 'offsetof(struct mmsghdr, msg_hdr.msg_name)',
  MSG_NAMELEN: 'offsetof(struct mmsghdr, msg_hdr.msg_namelen)',
  MSG_IOV: 'offsetof(struct mmsghdr, msg_hdr.msg_iov)',
  MSG_IOVLEN: 'offsetof(struct mmsghdr, msg_hdr.msg_iovlen)',
  MSG_CONTROL: 'offsetof(struct mmsghdr, msg_hdr.msg_control)',
  MSG_CONTROLLEN: 'offsetof(struct mmsghdr, msg_hdr.msg_controllen)',
  MSG_FLAGS: 'offsetof(struct mmsghdr, msg_hdr.msg_flags)',
  MSG_LEN: 'offsetof(struct mmsghdr, msg_len)',
  IOVEC_SIZE: 'sizeof(struct iovec)',
  IOV_BASE: 'offsetof(struct iovec, iov_base)',
  IOV_LEN: 'offsetof(struct iovec, iov_len)',
  SOCKADDR_IN_SIZE: 'sizeof(struct sockaddr_in)',
  SOCKADDR_IN6_SIZE: 'sizeof(struct sockaddr_in6)',
  SOCKADDR_PORT: 'offsetof(struct sockaddr_in6, sin6_port)',
  SOCKADDR_IN_ADDRESS: 'offsetof(struct sockaddr_in, sin_addr)',
  SOCKADDR_IN6_FLOW: 'offsetof(struct sockaddr_in6, sin6_flowinfo)',
  SOCKADDR_IN6_ADDRESS: 'offsetof(struct sockaddr_in6, sin6_addr)',
  SOCKADDR_IN6_SCOPE: 'offsetof(struct sockaddr_in6, sin6_scope_id)',
  CMSG_LEN: 'offsetof(struct cmsghdr, cmsg_len)',
  CMSG_LEVEL: 'offsetof(struct cmsghdr, cmsg_level)',
  CMSG_TYPE: 'offsetof(struct cmsghdr, cmsg_type)',
  CMSG_DATA: 'sizeof(struct cmsghdr)',
  PKTINFO4_SIZE: 'sizeof(struct in_pktinfo)',
  PKTINFO4_IFINDEX: 'offsetof(struct in_pktinfo, ipi_ifindex)',
  PKTINFO4_SOURCE: 'offsetof(struct in_pktinfo, ipi_spec_dst)',
  PKTINFO4_ASKED: 'offsetof(struct in_pktinfo, ipi_addr)',
  PKTINFO6_SIZE: 'sizeof(struct in6_pktinfo)',
  PKTINFO6_ADDRESS: 'offsetof(struct in6_pktinfo, ipi6_addr)',
  PKTINFO6_IFINDEX: 'offsetof(struct in6_pktinfo, ipi6_ifindex)',
  CONTROL4_SIZE: 'CMSG_SPACE(sizeof(struct in_pktinfo))',
  CONTROL6_SIZE: 'CMSG_SPACE(sizeof(struct in6_pktinfo))',
  MEMINFO_SIZE: 'SK_MEMINFO_VARS * 4',
  MEMINFO_DROPS: 'SK_MEMINFO_DROPS * 4',
  PMTUDISC_OMIT: 'IP_PMTUDISC_OMIT',
}
/** libuv's, not the C library's. */
const ELSEWHERE = /^UV_/

const includes = ['#define _GNU_SOURCE', ...HEADERS.map((header) => `#include <${header}>`)]

function assertions(): string[] {
  const lines: string[] = []
  for (const [name, value] of Object.entries(layout)) {
    if (typeof value !== 'number' || ELSEWHERE.test(name)) continue
    lines.push(`_Static_assert((${EXPRESSIONS[name] ?? name}) == ${value}, "${name} is ${value}");`)
  }
  return lines
}

/** What the compiler says against it: undefined without a compiler, or without its headers. */
function compile(compiler: string, lines: readonly string[]): string | undefined {
  const input = `${lines.join('\n')}\n`
  const { status, stderr } = spawnSync(compiler, ['-fsyntax-only', '-x', 'c', '-'], { input, encoding: 'utf8' })
  return status === null ? undefined : stderr
}

for (const { compiler, about } of COMPILERS) {
  const isRequired = process.env['SHOAL_REQUIRE_PEERS'] !== undefined
  const skip =
    process.platform !== 'linux'
      ? 'Linux only'
      : !isRequired && compile(compiler, includes) !== '' && `no ${compiler} with headers`
  test(`as the C library has it: ${about}`, { skip }, () => {
    assert.equal(compile(compiler, [...includes, ...assertions()]), '')
  })
}
