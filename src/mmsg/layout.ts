/**
 * What Linux's socket calls expect in memory, as tables. The figures hold for every 64-bit little-endian Linux that uses
 * the generic numbering: x86-64 and arm64, with glibc as with musl. (musl splits the size_t fields into an int and padding;
 * little-endian, that is the same octets as long as the values are small, as ours are.)
 *
 *   struct mmsghdr, 64 octets                  struct iovec, 16        struct cmsghdr, 16
 *     0  8  msg_name         pointer             0  8  iov_base          0  8  cmsg_len    header included
 *     8  4  msg_namelen      socklen_t           8  8  iov_len           8  4  cmsg_level
 *    12  4  (padding)                                                   12  4  cmsg_type
 *    16  8  msg_iov          pointer                                    16  …  data, padded to 8
 *    24  8  msg_iovlen       size_t
 *    32  8  msg_control      pointer           struct sockaddr_in, 16  struct sockaddr_in6, 28
 *    40  8  msg_controllen   size_t              0  2  family            0  2  family
 *    48  4  msg_flags        int                 2  2  port, network     2  2  port, network
 *    52  4  (padding)                            4  4  address           4  4  flow
 *    56  4  msg_len          octets moved        8  8  zero              8 16  address
 *    60  4  (padding)                                                   24  4  scope id
 *
 *   struct in_pktinfo, 12                      struct in6_pktinfo, 20
 *     0  4  ipi_ifindex                          0 16  ipi6_addr
 *     4  4  ipi_spec_dst  source of a reply     16  4  ipi6_ifindex
 *     8  4  ipi_addr      destination asked
 */
import { assert } from '../assert.ts'

/** Architectures whose layouts are the table's. */
export const ARCHITECTURES: readonly string[] = ['x64', 'arm64']

export const MMSGHDR_SIZE = 64
export const MSG_NAME = 0
export const MSG_NAMELEN = 8
export const MSG_IOV = 16
export const MSG_IOVLEN = 24
export const MSG_CONTROL = 32
export const MSG_CONTROLLEN = 40
export const MSG_FLAGS = 48
export const MSG_LEN = 56
assert(MSG_LEN + 8 === MMSGHDR_SIZE && MSG_CONTROLLEN + 8 === MSG_FLAGS && MSG_FLAGS + 8 === MSG_LEN)

export const IOVEC_SIZE = 16
export const IOV_BASE = 0
export const IOV_LEN = 8

export const SOCKADDR_IN_SIZE = 16
export const SOCKADDR_IN6_SIZE = 28
/** In both. */
export const SOCKADDR_PORT = 2
export const SOCKADDR_IN_ADDRESS = 4
export const SOCKADDR_IN6_FLOW = 4
export const SOCKADDR_IN6_ADDRESS = 8
export const SOCKADDR_IN6_SCOPE = 24
assert(SOCKADDR_IN6_ADDRESS + 16 === SOCKADDR_IN6_SCOPE && SOCKADDR_IN6_SCOPE + 4 === SOCKADDR_IN6_SIZE)

export const CMSG_LEN = 0
export const CMSG_LEVEL = 8
export const CMSG_TYPE = 12
export const CMSG_DATA = 16

export const PKTINFO4_SIZE = 12
export const PKTINFO4_IFINDEX = 0
export const PKTINFO4_SOURCE = 4
export const PKTINFO4_ASKED = 8
export const PKTINFO6_SIZE = 20
export const PKTINFO6_ADDRESS = 0
export const PKTINFO6_IFINDEX = 16
assert(PKTINFO4_ASKED + 4 === PKTINFO4_SIZE && PKTINFO6_IFINDEX + 4 === PKTINFO6_SIZE)

/** CMSG_SPACE: header, data and padding to 8, as msg_controllen counts a single control message. */
export const CONTROL4_SIZE = 32
export const CONTROL6_SIZE = 40
assert(CONTROL4_SIZE === align8(CMSG_DATA + PKTINFO4_SIZE) && CONTROL6_SIZE === align8(CMSG_DATA + PKTINFO6_SIZE))

export const AF_INET = 2
export const AF_INET6 = 10
export const SOCK_DGRAM = 2
export const SOCK_NONBLOCK = 0o4000
export const SOCK_CLOEXEC = 0o2000000

export const MSG_CTRUNC = 0x08
export const MSG_TRUNC = 0x20
export const MSG_DONTWAIT = 0x40

export const SOL_SOCKET = 1
export const SO_REUSEADDR = 2
export const SO_SNDBUF = 7
export const SO_RCVBUF = 8
export const SO_REUSEPORT = 15
/** Above net.core.wmem_max and rmem_max; takes CAP_NET_ADMIN. */
export const SO_SNDBUFFORCE = 32
export const SO_RCVBUFFORCE = 33
/** Nine uint32 counters of the socket; the last one is the datagrams dropped for want of room. Linux 4.12. */
export const SO_MEMINFO = 55
export const MEMINFO_SIZE = 36
export const MEMINFO_DROPS = 32

export const IPPROTO_IP = 0
export const IP_PKTINFO = 8
export const IP_MTU_DISCOVER = 10
export const IPPROTO_IPV6 = 41
export const IPV6_MTU_DISCOVER = 23
export const IPV6_V6ONLY = 26
export const IPV6_RECVPKTINFO = 49
export const IPV6_PKTINFO = 50
/** Fragment by the interface's MTU and believe no ICMP about the path: forged ones shrink replies. Both families. */
export const PMTUDISC_OMIT = 5

export const EPERM = 1
export const EINTR = 4
export const EAGAIN = 11
export const ENOMEM = 12
export const EACCES = 13
export const EINVAL = 22
export const EMSGSIZE = 90
export const EAFNOSUPPORT = 97
export const EADDRINUSE = 98
export const EADDRNOTAVAIL = 99
export const ENETUNREACH = 101
export const ENOBUFS = 105
export const ECONNREFUSED = 111
export const EHOSTUNREACH = 113

/** libuv's handle type and event bits, from uv.h; the same since libuv 1.0. */
export const UV_POLL = 8
export const UV_READABLE = 1
export const UV_WRITABLE = 2

function align8(size: number): number {
  return (size + 7) & ~7
}
