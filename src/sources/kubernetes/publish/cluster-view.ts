/** Somebody who publishes what the cluster holds: `kubernetes` its names, `k8s_external` those of external addresses. */
import type { ClusterModel, ModelChanges } from '../model/cluster-model.ts'

/** Everything as it is at one moment. */
export type Snapshot = ReturnType<ClusterModel['startTracking']>

export interface ClusterView {
  /** Publishes all of it. Called once, before any change. */
  replaceAll(snapshot: Snapshot, serial: number): Promise<void>
  /** Publishes what changed since, and resolves when every process serves it. */
  apply(changes: ModelChanges, serial: number): Promise<void>
}
