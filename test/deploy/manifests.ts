/** What deploy.sh printed, as objects. */
import assert from 'node:assert/strict'
import { parseAllDocuments } from 'yaml'

// biome-ignore lint/suspicious/noExplicitAny: a test looks into manifests of every kind
export type Manifest = any

/** Throws for text that isn't strict YAML. */
export function manifestsOf(text: string): readonly Manifest[] {
  const documents = parseAllDocuments(text)
  assert.ok(Array.isArray(documents))
  return documents.map((document) => {
    assert.deepEqual(document.errors, [])
    return document.toJS()
  })
}

/** The one of this kind and name. */
export function manifest(text: string, kind: string, name: string): Manifest {
  const found = manifestsOf(text).filter((each) => each?.kind === kind && each.metadata.name === name)
  assert.equal(found.length, 1, `one ${kind} ${name}`)
  return found[0]
}

export function corefileOf(text: string, name = 'coredns'): string {
  return manifest(text, 'ConfigMap', name).data.Corefile
}
