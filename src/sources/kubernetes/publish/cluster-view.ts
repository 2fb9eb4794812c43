/** Somebody who publishes what the cluster holds: `kubernetes` its names, `k8s_external` those of external addresses. */
import type { ModelChanges, Snapshot } from '../model/cluster-model.ts'

/** About what is published. */
export interface Edition {
  readonly serial: number
  /** It is what was kept on disk: the API server hasn't been asked yet, and answers say so. */
  readonly isStale: boolean
}

export interface ClusterView {
  /** It wants nothing that may be out of date. */
  readonly freshOnly?: boolean
  /** Publishes all of it. Called once, before any change. */
  replaceAll(snapshot: Snapshot, edition: Edition): Promise<void>
  /** Publishes what changed since, and resolves when every process serves it. */
  apply(changes: ModelChanges, edition: Edition): Promise<void>
}
