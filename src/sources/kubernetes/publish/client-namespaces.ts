/**
 * Which namespace a client's address is in, for `autopath`: in the record store, where every process sees a change at once, and where only
 * who publishes it looks. An address that pods of several namespaces have, or a node's, is nobody's: better no search path than a wrong one.
 */

import { textToName } from '../../../wire/name.ts'
import type { ZonePublisher } from '../../../zone/zone-change.ts'
import { clientLabel } from '../model/client-label.ts'
import type { ModelChanges, PodAddress, Snapshot } from '../model/cluster-model.ts'
import { TYPE_TXT } from '../model/relative-records.ts'
import type { ClusterView } from './cluster-view.ts'

const TTL_SECONDS = 0

export class ClientNamespaces implements ClusterView {
  /** An address may be another pod's since. */
  readonly freshOnly = true
  readonly #publisher: ZonePublisher
  /** By label of the address; nearly all have one namespace. */
  readonly #namespaces = new Map<string, readonly string[]>()

  constructor(publisher: ZonePublisher) {
    this.#publisher = publisher
  }

  async replaceAll(snapshot: Snapshot): Promise<void> {
    this.#namespaces.clear()
    for (const client of snapshot.clients()) this.#note(client, true)
    const transaction = this.#publisher.zone('.', 'flat').replace()
    try {
      for (const [label, namespaces] of this.#namespaces) {
        if (!transaction.put(textToName(`${label}.`), TYPE_TXT, TTL_SECONDS, rdatasOf(namespaces))) {
          await transaction.drained()
        }
      }
      await transaction.commit()
    } catch (error) {
      transaction.abort()
      throw error
    }
  }

  async apply({ clients }: ModelChanges): Promise<void> {
    if (clients.size === 0) return
    const labels = new Set<string>()
    for (const [client, isThere] of clients) {
      const label = this.#note(client, isThere)
      if (label !== undefined) labels.add(label)
    }
    const transaction = this.#publisher.zone('.', 'flat').patch()
    try {
      for (const label of labels) {
        const rdatas = rdatasOf(this.#namespaces.get(label) ?? [])
        const owner = textToName(`${label}.`)
        if (rdatas.length === 0) transaction.delete(owner, TYPE_TXT)
        else transaction.put(owner, TYPE_TXT, TTL_SECONDS, rdatas)
      }
      await transaction.commit()
    } catch (error) {
      transaction.abort()
      throw error
    }
  }

  #note(client: PodAddress, isThere: boolean): string | undefined {
    const space = client.indexOf(' ')
    const namespace = client.slice(0, space)
    const label = clientLabel(client.slice(space + 1))
    if (label === undefined) return undefined
    const others = (this.#namespaces.get(label) ?? []).filter((each) => each !== namespace)
    const now = isThere ? [...others, namespace] : others
    if (now.length === 0) this.#namespaces.delete(label)
    else this.#namespaces.set(label, now)
    return label
  }
}

/** The namespace, if it is one. */
function rdatasOf(namespaces: readonly string[]): Uint8Array[] {
  const [namespace] = namespaces
  if (namespace === undefined || namespaces.length !== 1) return []
  return [Buffer.concat([Buffer.of(namespace.length), Buffer.from(namespace)])]
}
