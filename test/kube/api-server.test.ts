/** The API in memory says what clients of other makes look at: types of lists, objects and bookmarks, and a watch that begins with the state. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { ApiServer } from './api-server.ts'
import { envelope } from './encode-protobuf.ts'
import { namespace, service, slice } from './objects.ts'

const RESOURCES = [
  { path: '/api/v1/namespaces', kind: 'Namespace', apiVersion: 'v1' },
  { path: '/api/v1/services', kind: 'Service', apiVersion: 'v1' },
  { path: '/apis/discovery.k8s.io/v1/endpointslices', kind: 'EndpointSlice', apiVersion: 'discovery.k8s.io/v1' },
]
const PROTOBUF = 'application/vnd.kubernetes.protobuf, */*'

async function aServer(): Promise<ApiServer> {
  const api = await ApiServer.start({ bookmarkMs: 60_000 })
  api.load([namespace('shop'), service('shop/web', { ips: ['10.96.7.1'] }), slice('shop/web-a', { service: 'web' })])
  return api
}

test('lists have the type of their group, in JSON and in Protocol Buffers', async (t) => {
  const api = await aServer()
  t.after(() => api.stop())
  for (const { path, kind, apiVersion } of RESOURCES) {
    const json = await fetch(`${api.url}${path}`)
    const list = (await json.json()) as Record<string, unknown>
    assert.deepEqual([list['kind'], list['apiVersion']], [`${kind}List`, apiVersion])
    const binary = await fetch(`${api.url}${path}`, { headers: { accept: PROTOBUF } })
    const head = headOf(`${kind}List`, apiVersion)
    assert.deepEqual(Buffer.from(await binary.arrayBuffer()).subarray(0, head.length), head)
  }
})

test('a watch with sendInitialEvents: the state, and a bookmark that says that this was all', async (t) => {
  const api = await aServer()
  t.after(() => api.stop())
  for (const { path, kind, apiVersion } of RESOURCES) {
    const query = '?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true'
    const response = await fetch(`${api.url}${path}${query}`)
    let text = ''
    for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
      text += part
      if (text.split('\n').length === 3) break
    }
    const [added, bookmark] = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    assert.equal(added.type, 'ADDED')
    assert.equal(bookmark.type, 'BOOKMARK')
    for (const { object } of [added, bookmark]) assert.deepEqual([object.kind, object.apiVersion], [kind, apiVersion])
    assert.equal(bookmark.object.metadata.annotations['k8s.io/initial-events-end'], 'true')
    assert.ok(Number(bookmark.object.metadata.resourceVersion) >= Number(added.object.metadata.resourceVersion))
  }
})

/** Magic and type of an envelope, up to where its message begins. */
function headOf(kind: string, apiVersion: string): Buffer {
  return envelope({ kind, apiVersion }, Buffer.alloc(0)).subarray(0, -6)
}
