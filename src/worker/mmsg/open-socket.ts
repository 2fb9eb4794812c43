/**
 * Opens UDP sockets as a server needs them: non-blocking, shareable between processes, with room for bursts, fragmenting by
 * the interface's MTU alone, and, on a wildcard address, told for each datagram where it was sent.
 */
import {
  AF_INET,
  AF_INET6,
  EADDRNOTAVAIL,
  EAFNOSUPPORT,
  EINVAL,
  IP_MTU_DISCOVER,
  IP_PKTINFO,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_MTU_DISCOVER,
  IPV6_RECVPKTINFO,
  IPV6_V6ONLY,
  MEMINFO_DROPS,
  MEMINFO_SIZE,
  PMTUDISC_OMIT,
  SO_MEMINFO,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_REUSEPORT,
  SO_SNDBUF,
  SO_SNDBUFFORCE,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCKADDR_IN6_SIZE,
  SOCKADDR_PORT,
  SOL_SOCKET,
} from '../../mmsg/layout.ts'
import { type Libc, SocketError } from '../../mmsg/libc.ts'
import { isWildcard, parseSocketAddress, type SocketAddress, writeSocketAddress } from '../../mmsg/socket-address.ts'

/** Room for about 5,000 queries in the kernel's accounting: 20 ms at 250,000/s. */
export const RECEIVE_BUFFER_SIZE = 4 << 20
export const SEND_BUFFER_SIZE = 4 << 20

const SO_ERROR = 4
/** The discard port: a drained socket is connected there, where nothing comes from. RFC 863. */
const DISCARD_PORT = 9

export interface OpenOptions {
  /** An IP address, `fe80::1%eth0` for a link-local one; '' for all addresses, IPv6 and IPv4. `::` takes IPv4 clients too, as in CoreDNS. */
  readonly address: string
  /** 0: any that is free. */
  readonly port: number
  /** Whether other sockets may have the same address and share its queries. */
  readonly reusePort: boolean
  readonly receiveBufferSize?: number
  readonly sendBufferSize?: number
}

export interface BoundSocket {
  readonly fd: number
  readonly port: number
  readonly family: 4 | 6
  /** The kernel says for each datagram where it was sent. */
  readonly packetInfo: boolean
  readonly receiveBufferSize: number
  /** Datagrams dropped for want of room so far; 0 on kernels that don't tell (before 4.12). */
  kernelDrops(): number
  /** The error that the kernel holds for the socket, which it then forgets; 0 for none. */
  takeError(): number
  /** Lets no further datagram in; those in the buffer can be read. Returns whether the kernel agreed. */
  detach(): boolean
}

/** Opens and binds. Throws SocketError. */
export function openSocket(libc: Libc, options: OpenOptions): BoundSocket {
  if (options.address !== '') {
    const address = parseSocketAddress(options.address, options.port, (name) => libc.if_nametoindex(name))
    if (address === undefined) throw new SocketError('bind', EINVAL, describe(options))
    return new Opening(libc, options, address, !isWildcard(address)).open()
  }
  const anyIPv6: SocketAddress = { family: 6, octets: new Uint8Array(16), port: options.port, scope: 0 }
  try {
    // One socket for both families: one batch, whoever asks.
    return new Opening(libc, options, anyIPv6, false).open()
  } catch (error) {
    const errno = error instanceof SocketError ? error.errno : 0
    // A kernel without IPv6, or with IPv6 turned off.
    if (errno !== EAFNOSUPPORT && errno !== EADDRNOTAVAIL) throw error
    return new Opening(
      libc,
      options,
      { family: 4, octets: new Uint8Array(4), port: options.port, scope: 0 },
      true,
    ).open()
  }
}

class Opening {
  readonly #libc: Libc
  readonly #options: OpenOptions
  readonly #address: SocketAddress
  readonly #ipv6Only: boolean
  /** Option values and addresses pass through here: value, its size, a sockaddr. */
  readonly #scratch = new ArrayBuffer(128)
  readonly #view = new DataView(this.#scratch)
  readonly #at: bigint
  #fd = -1

  constructor(libc: Libc, options: OpenOptions, address: SocketAddress, ipv6Only: boolean) {
    this.#libc = libc
    this.#options = options
    this.#address = address
    this.#ipv6Only = ipv6Only
    this.#at = libc.addressOf(this.#scratch)
  }

  open(): BoundSocket {
    const domain = this.#address.family === 4 ? AF_INET : AF_INET6
    this.#fd = this.#libc.socket(domain, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
    if (this.#fd < 0) throw this.#failed('socket')
    try {
      return this.#prepare()
    } catch (error) {
      this.#libc.close(this.#fd)
      throw error
    }
  }

  #prepare(): BoundSocket {
    const { family } = this.#address
    const { reusePort } = this.#options
    const packetInfo = isWildcard(this.#address)
    if (family === 6) this.#must(IPPROTO_IPV6, IPV6_V6ONLY, this.#ipv6Only ? 1 : 0)
    if (family === 6) this.#try(IPPROTO_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_OMIT)
    this.#try(IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_OMIT)
    if (packetInfo && family === 6) this.#must(IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
    if (packetInfo && family === 4) this.#must(IPPROTO_IP, IP_PKTINFO, 1)
    const receiveBufferSize = this.#options.receiveBufferSize ?? RECEIVE_BUFFER_SIZE
    if (!this.#try(SOL_SOCKET, SO_RCVBUFFORCE, receiveBufferSize)) this.#try(SOL_SOCKET, SO_RCVBUF, receiveBufferSize)
    const sendBufferSize = this.#options.sendBufferSize ?? SEND_BUFFER_SIZE
    if (!this.#try(SOL_SOCKET, SO_SNDBUFFORCE, sendBufferSize)) this.#try(SOL_SOCKET, SO_SNDBUF, sendBufferSize)
    // With SO_REUSEPORT set before, port 0 may be one that another server's sockets share already.
    if (reusePort && this.#address.port !== 0) this.#must(SOL_SOCKET, SO_REUSEPORT, 1)
    if (this.#libc.bind(this.#fd, this.#at + 16n, this.#writeAddress(this.#address)) !== 0) throw this.#failed('bind')
    if (reusePort && this.#address.port === 0) this.#must(SOL_SOCKET, SO_REUSEPORT, 1)
    const port = this.#boundPort()
    return {
      fd: this.#fd,
      port,
      family,
      packetInfo,
      receiveBufferSize: this.#get(SO_RCVBUF, 4) === 0 ? 0 : this.#view.getInt32(16, true),
      kernelDrops: () =>
        this.#get(SO_MEMINFO, MEMINFO_SIZE) === MEMINFO_SIZE ? this.#view.getUint32(16 + MEMINFO_DROPS, true) : 0,
      takeError: () => (this.#get(SO_ERROR, 4) === 0 ? 0 : this.#view.getInt32(16, true)),
      detach: () => this.#detach(),
    }
  }

  /**
   * A connected socket gets datagrams from its peer alone, and the kernel passes it over when it chooses among the sockets of an
   * address; closing at once would lose what waits in the buffer.
   */
  #detach(): boolean {
    const { family, octets, scope } = this.#address
    const loopback =
      family === 4 ? Uint8Array.of(127, 0, 0, 1) : Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)
    const peer = { family, octets: isWildcard(this.#address) ? loopback : octets, port: DISCARD_PORT, scope }
    return this.#libc.connect(this.#fd, this.#at + 16n, this.#writeAddress(peer)) === 0
  }

  #writeAddress(address: SocketAddress): number {
    return writeSocketAddress(this.#view, 16, address)
  }

  #boundPort(): number {
    this.#view.setUint32(8, SOCKADDR_IN6_SIZE, true)
    if (this.#libc.getsockname(this.#fd, this.#at + 16n, this.#at + 8n) !== 0) throw this.#failed('getsockname')
    return this.#view.getUint16(16 + SOCKADDR_PORT, false)
  }

  #try(level: number, option: number, value: number): boolean {
    this.#view.setInt32(0, value, true)
    return this.#libc.setsockopt(this.#fd, level, option, this.#at, 4) === 0
  }

  #must(level: number, option: number, value: number): void {
    if (!this.#try(level, option, value)) throw this.#failed('setsockopt')
  }

  /** Reads a SOL_SOCKET option to scratch offset 16; returns its size, 0 when the kernel hasn't it. */
  #get(option: number, size: number): number {
    this.#view.setUint32(8, size, true)
    const status = this.#libc.getsockopt(this.#fd, SOL_SOCKET, option, this.#at + 16n, this.#at + 8n)
    return status === 0 ? this.#view.getUint32(8, true) : 0
  }

  #failed(syscall: string): SocketError {
    return new SocketError(syscall, this.#libc.errno(), describe(this.#options))
  }
}

/** `0.0.0.0:53`, `[::1]:53`, `:53`. */
function describe({ address, port }: OpenOptions): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}
