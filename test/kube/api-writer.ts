/** Creates, changes and deletes objects through the API, whichever server is behind it. */
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { KubeObject } from './api-server.ts'

const PLURALS: Readonly<Record<string, string>> = {
  Namespace: '/api/v1/namespaces',
  Service: '/api/v1/services',
  Pod: '/api/v1/pods',
  EndpointSlice: '/apis/discovery.k8s.io/v1/endpointslices',
  ServiceImport: '/apis/multicluster.x-k8s.io/v1alpha1/serviceimports',
}

export interface ApiAddress {
  readonly url: string
  readonly token?: string
  readonly ca?: string
}

export class ApiWriter {
  readonly #address: ApiAddress

  constructor(address: ApiAddress) {
    this.#address = address
  }

  /** Creates it, or replaces the one of this name. A pod's status is written too. */
  async put(...objects: readonly KubeObject[]): Promise<void> {
    for (const object of objects) {
      const known = await this.#send('GET', itemOf(object))
      if (known.code === 200) {
        const { resourceVersion } = (known.body as KubeObject).metadata
        const metadata = { ...object.metadata, ...(resourceVersion === undefined ? {} : { resourceVersion }) }
        expect(await this.#send('PUT', itemOf(object), { ...object, metadata }), object)
      } else expect(await this.#send('POST', collectionOf(object), object), object)
      if (object['status'] === undefined) continue
      const fresh = await this.#send('GET', itemOf(object))
      const body = fresh.code === 200 ? { ...(fresh.body as KubeObject), status: object['status'] } : object
      expect(await this.#send('PUT', `${itemOf(object)}/status`, body), object)
    }
  }

  async remove(...objects: readonly KubeObject[]): Promise<void> {
    for (const object of objects) {
      const { code } = await this.#send('DELETE', `${itemOf(object)}?gracePeriodSeconds=0`)
      if (code !== 200 && code !== 202 && code !== 404) throw new Error(`deleting ${object.metadata.name}: ${code}`)
      if (object['kind'] === 'Namespace' && code !== 404) await this.#finalize(object)
    }
  }

  /** A real server waits for a controller that isn't there. */
  async #finalize(namespace: KubeObject): Promise<void> {
    const { code, body } = await this.#send('GET', itemOf(namespace))
    if (code !== 200) return
    await this.#send('PUT', `${itemOf(namespace)}/finalize`, { ...(body as KubeObject), spec: { finalizers: [] } })
  }

  #send(method: string, path: string, body?: object): Promise<{ readonly code: number; readonly body: unknown }> {
    const { url, token, ca } = this.#address
    const send = url.startsWith('https:') ? httpsRequest : httpRequest
    return new Promise((resolve, reject) => {
      const request = send(
        new URL(path, url),
        {
          method,
          ...(ca === undefined ? {} : { ca }),
          headers: {
            'content-type': 'application/json',
            ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          },
        },
        (response) => {
          let text = ''
          response.setEncoding('utf8')
          response.on('data', (part: string) => {
            text += part
          })
          response.on('end', () => resolve({ code: response.statusCode ?? 0, body: parsed(text) }))
          response.on('error', reject)
        },
      )
      request.on('error', reject)
      request.end(body === undefined ? undefined : JSON.stringify(body))
    })
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function expect({ code, body }: { readonly code: number; readonly body: unknown }, { metadata }: KubeObject): void {
  if (code !== 200 && code !== 201) throw new Error(`writing ${metadata.name}: ${code} ${JSON.stringify(body)}`)
}

function collectionOf({ kind, metadata }: KubeObject): string {
  const path = PLURALS[kind as string]!
  if (metadata.namespace === undefined) return path
  const plural = path.slice(path.lastIndexOf('/') + 1)
  return `${path.slice(0, path.lastIndexOf('/'))}/namespaces/${metadata.namespace}/${plural}`
}

function itemOf(object: KubeObject): string {
  return `${collectionOf(object)}/${object.metadata.name}`
}
