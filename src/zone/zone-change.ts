/**
 * How records get from a source (primary) into the record stores (one per process).
 *
 *   source ── ZonePublisher ──► primary's store ──► changes over IPC ──► each worker's store
 *
 * In one-process mode there is one store and no IPC. A worker that starts late gets a dump of the primary's store,
 * then the changes since. A transaction becomes visible whole.
 */

import type { PackedRRset } from './packed-rrset.ts'

/** Records of one transaction, packed: see `change-batch.ts` for the layout. */
export type ChangeBatch = Uint8Array

export type ZoneChange =
  /** Opens a transaction. `replace` builds the zone anew beside the one that is served; `patch` changes RRsets of it. */
  | {
      readonly kind: 'begin'
      readonly transaction: number
      readonly sourceId: number
      readonly apex: string
      readonly mode: 'replace' | 'patch'
      readonly form: ZoneForm
      readonly minimal?: boolean
    }
  | { readonly kind: 'records'; readonly transaction: number; readonly batch: ChangeBatch }
  | { readonly kind: 'commit'; readonly transaction: number }
  | { readonly kind: 'abort'; readonly transaction: number }
  | { readonly kind: 'remove'; readonly sourceId: number; readonly apex: string }
  /** The zone is known but has no usable data (not loaded yet, expired): answers SERVFAIL. */
  | { readonly kind: 'unavailable'; readonly sourceId: number; readonly apex: string }

/**
 * `zone`: RFC 1034 section 4.3.2 below an apex with SOA. `flat`: names without a zone around them (`hosts`): exact
 * match, then a wildcard that covers one label; a name that exists without the type is NODATA without SOA; no cuts.
 */
export type ZoneForm = 'zone' | 'flat'

export interface ZonePublisher {
  /**
   * `apex`: absolute, lower-case presentation format. The same apex gives the same handle. `minimal`: positive answers carry no apex NS in authority
   * (CoreDNS's `file` has it there, its `kubernetes` has not).
   */
  zone(apex: string, form?: ZoneForm, minimal?: boolean): ZoneHandle
}

export interface ZoneHandle {
  readonly apex: string
  /** Starts a replacement of the whole zone; what is served stays until commit. */
  replace(): ZoneTransaction
  /** Starts a change of some RRsets. Transactions of one zone commit in the order they were started. */
  patch(): ZoneTransaction
  /** SERVFAIL until the next commit. */
  unavailable(): Promise<void>
  remove(): Promise<void>
}

export interface ZoneTransaction {
  /**
   * Replaces the RRset. `owner`: wire form, lower-case, not compressed. `rdatas`: wire form, not compressed; duplicates
   * are dropped (RFC 2181 section 5). Returns false when the caller should await `drained()` before the next put.
   */
  put(owner: Uint8Array, type: number, ttlSeconds: number, rdatas: readonly Uint8Array[]): boolean
  /** The same for an RRset that lies in octets of the caller's. They are copied; duplicates are taken out of `rrset`. */
  putPacked(rrset: PackedRRset): boolean
  /** Deletes the RRset; no error when it isn't there. */
  delete(owner: Uint8Array, type: number): boolean
  drained(): Promise<void>
  /**
   * Of a replacement: the owners (octets in wire form as latin1) with an RRset that was put more than once, so that
   * only the last put counts. At once, or when all that was put so far is in this process's store.
   */
  repeated(): ReadonlySet<string> | Promise<ReadonlySet<string>>
  /** Nothing when it is served: where there is one process, and no transaction of the zone before this one. Otherwise resolves when every worker serves it. */
  commit(): void | Promise<void>
  abort(): void
}
