/**
 * What a Corefile means, as plain data: the primary makes it, every worker and pool thread gets a copy. Nothing in it
 * refers to a function, a socket or a process.
 */
import type { Position } from './corefile-error.ts'

export type Transport = 'dns' | 'tls' | 'https' | 'https3' | 'quic' | 'grpc'

/** One key of a server block, resolved: `dns://example.org.:53`. */
export interface BlockKey {
  readonly transport: Transport
  /** Absolute, lower-case, presentation format: `example.org.`, `.` */
  readonly zone: string
  readonly port: number
}

/** One plugin of a block. */
export interface PluginConfig {
  readonly name: string
  /** What the plugin's `parse` returned: plain data that survives a structured clone. */
  readonly options: unknown
  /**
   * Names this plugin's data in the record store, and stays the same over a reload as long as the plugin's options
   * and the block's keys are the same. 1 and up.
   */
  readonly sourceId: number
  /** Module specifier of a plugin that came from an npm package; absent for built-in ones. */
  readonly module?: string
}

export interface BlockConfig {
  /** Index in `ServerConfig.blocks`. */
  readonly id: number
  readonly at: Position
  readonly keys: readonly BlockKey[]
  /** The keys' zones, without repeats, in the order written. */
  readonly zones: readonly string[]
  /** Absolute folder that relative paths in plugins start from (the `root` plugin; else the working folder). */
  readonly root: string
  readonly debug: boolean
  /** In chain order (`plugins/order.ts`), whatever the order in the Corefile. */
  readonly plugins: readonly PluginConfig[]
}

/** One address and port to listen on, and the blocks behind it. */
export interface ListenerConfig {
  /** Index in `ServerConfig.listeners`. */
  readonly id: number
  readonly transport: Transport
  /** IP address, with `%zone` for a link-local one; '' means all addresses, IPv6 and IPv4. */
  readonly address: string
  readonly port: number
  /** `multisocket N`: sockets per process for this address; 0 when not given (one per process). */
  readonly sockets: number
  /** Text of this listener in metrics: `dns://:53`, `dns://127.0.0.1:1053`. */
  readonly server: string
  /** Zones served here, each with the blocks that serve it in Corefile order (more than one only with views). */
  readonly zones: readonly { readonly zone: string; readonly blockIds: readonly number[] }[]
  /** `chaos` or `forward` is loaded behind it: classes other than IN reach the plugins. */
  readonly allClasses: boolean
}

export interface ServerConfig {
  /** Grows by one with every configuration that was swapped in; 1 at start. */
  readonly generation: number
  /** SHA-512 of the parsed Corefile, as the `reload` plugin shows it: lower-case hex. */
  readonly hash: string
  readonly blocks: readonly BlockConfig[]
  readonly listeners: readonly ListenerConfig[]
}
