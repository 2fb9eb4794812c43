/**
 * A cluster's API for tests, and the plugin on it. In memory, or the real API server that the environment names (test/kube/real/):
 *
 *   SHOAL_KUBE_API     URL                 SHOAL_KUBE_TOKEN     of an account that may do everything
 *   SHOAL_KUBE_CA      file with its CA    SHOAL_KUBE_CONTROL   where a test asks for more than the API can
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after } from 'node:test'
import { Reply, type ReplyOption } from '../../src/chain/reply.ts'
import { plugin } from '../../src/plugins/kubernetes/index.ts'
import type { KubernetesPart } from '../../src/plugins/kubernetes/kubernetes-part.ts'
import type { KubernetesOptions } from '../../src/plugins/kubernetes/options.ts'
import { composeReplyMessage } from '../../src/rdata/message.ts'
import type { ParsedQuery } from '../../src/wire/parsed-query.ts'
import { parseWith } from '../support/directives.ts'
import { aChainQuery } from '../support/handler.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/until.ts'
import { type Lookup, openZoneChain, shown, type ZoneChain } from '../support/zone-chain.ts'
import { ApiServer, type ApiServerOptions, type KubeObject } from './api-server.ts'
import { type ApiAddress, ApiWriter } from './api-writer.ts'
import { control } from './real/control.ts'

const { SHOAL_KUBE_API, SHOAL_KUBE_TOKEN, SHOAL_KUBE_CA } = process.env

/** The tests run on a real API server. */
export const isReal: boolean = SHOAL_KUBE_API !== undefined

export interface Cluster {
  /** The API in memory; undefined when it is a real one. */
  readonly memory: ApiServer | undefined
  readonly url: string
  /** The plugin's; a real API has one with exactly the rights that deploy/kubernetes gives it. */
  readonly account: { readonly token?: string; readonly ca?: string }
  /** Lines for a Corefile's `kubernetes` block. `through`: another address for the API, a proxy's. */
  apiLines(through?: string): string
  /** Versions up to now can't be watched from any more. */
  compact(): Promise<void>
  /** Resolves with what `restore` goes back to, as after a restart from a backup. */
  save(): Promise<unknown>
  restore(saved: unknown): Promise<void>
  /** The account's token is worth nothing any more, and the watches that it opened end. Resolves with its new one. */
  replaceToken(): Promise<string>
  /** Creates or replaces. */
  put(...objects: readonly KubeObject[]): Promise<void>
  remove(...objects: readonly KubeObject[]): Promise<void>
  /** Starts the plugin. `options`: lines of its block; `through`: another address for the API, a proxy's. */
  open(options?: string, setting?: OpenSetting): Promise<OpenPlugin>
  close(): Promise<void>
}

export interface OpenSetting {
  readonly zones?: readonly string[]
  readonly through?: string
  /** What can't be said in a Corefile, or not so small. */
  readonly options?: Partial<KubernetesOptions>
}

export interface OpenPlugin {
  readonly chain: ZoneChain
  readonly part: KubernetesPart
  /** The reply as text: RCODE and flags, then the sections; of a SOA only that it is there. */
  ask(qname: string, qtype?: string, lookup?: Lookup): Promise<string>
  /** EDNS options of the reply. */
  options(qname: string): Promise<readonly ReplyOption[]>
  /** Waits until the reply is this. */
  askUntil(qname: string, qtype: string, reply: string | RegExp, milliseconds?: number): Promise<void>
  close(): Promise<void>
}

export const ZONES = ['cluster.local', 'in-addr.arpa', 'ip6.arpa']

/** A test that fails half-way leaves no watch open: the file's run would never end. */
const clusters: Cluster[] = []
after(async () => {
  for (const each of clusters) await each.close()
})

export interface ClusterOptions extends ApiServerOptions {
  /** The account may see imported services too. */
  readonly multicluster?: boolean
}

export async function openCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const memory = isReal ? undefined : await ApiServer.start(options)
  const url = SHOAL_KUBE_API ?? memory!.url
  const accountName = options.multicluster === true ? 'shoal-multi' : 'shoal'
  const token = isReal ? await control('token', accountName) : options.token
  const ca = SHOAL_KUBE_CA === undefined ? {} : { ca: readFileSync(SHOAL_KUBE_CA, 'utf8') }
  const account = { ...(token === undefined ? {} : { token }), ...ca }
  const adminToken = SHOAL_KUBE_TOKEN ?? token
  const writer = new ApiWriter({ url, ...(adminToken === undefined ? {} : { token: adminToken }), ...ca })
  const folder = temporaryFolder()
  let configs = 0
  const made = new Map<string, KubeObject>()
  const open: OpenPlugin[] = []
  const remove = async (...objects: readonly KubeObject[]): Promise<void> => {
    await writer.remove(...objects)
    for (const object of objects) made.delete(nameOf(object))
  }
  const apiLines = (through = url): string => {
    if (token === undefined && SHOAL_KUBE_CA === undefined) return `endpoint ${through}`
    const file = join(folder, `kubeconfig-${configs++}`)
    writeFileSync(file, kubeconfig(through, account))
    return `kubeconfig ${file}`
  }
  let isOpen = true
  const cluster: Cluster = {
    memory,
    url,
    account,
    apiLines,
    remove,
    compact: async () => {
      if (memory === undefined) await control('compact')
      else memory.compact()
    },
    save: async () => (memory === undefined ? control('save') : memory.save()),
    restore: async (saved) => {
      if (memory === undefined) await control('restore', saved as string)
      else memory.restore(saved)
    },
    replaceToken: async () => {
      if (memory === undefined) return control('replace-token', accountName)
      const fresh = `fresh-${performance.now()}`
      memory.setToken(fresh)
      memory.endWatches()
      return fresh
    },
    put: async (...objects) => {
      for (const object of objects) made.set(nameOf(object), object)
      await writer.put(...objects)
    },
    open: async (text = '', setting = {}) => {
      const started = await openPlugin(`${apiLines(setting.through)}\n${text}`, setting)
      open.push(started)
      return started
    },
    close: async () => {
      if (!isOpen) return
      isOpen = false
      for (const each of open) await each.close()
      // A real server is there for the next test too.
      if (isReal) await remove(...[...made.values()].reverse())
      await memory?.stop()
    },
  }
  clusters.push(cluster)
  return cluster
}

async function openPlugin(text: string, { zones = ZONES, options = {} }: OpenSetting): Promise<OpenPlugin> {
  const corefile = `kubernetes ${zones.join(' ')} {\n${text}\n}`
  const chain = await openZoneChain(plugin, { ...parseWith(plugin, corefile), ...options })
  const ask = async (qname: string, qtype = 'A', lookup?: Lookup): Promise<string> =>
    shown(await wired(chain, aChainQuery(qname, qtype).parsed, lookup)).replaceAll(/ SOA \{[^}]*\}/g, ' SOA')
  let isOpen = true
  return {
    chain,
    part: chain.part as KubernetesPart,
    ask,
    options: async (qname) => (await chain.ask(aChainQuery(qname, 'A').parsed)).options,
    askUntil: (qname, qtype, reply, milliseconds) => {
      let last = ''
      return until(
        `${qname} ${qtype} is ${reply}`,
        async () => {
          last = await ask(qname, qtype)
          return typeof reply === 'string' ? last === reply : reply.test(last)
        },
        milliseconds,
      ).catch((error: Error) => {
        throw new Error(`${error.message}; it is ${last}`)
      })
    },
    close: async () => {
      if (isOpen) await chain.close()
      isOpen = false
    },
  }
}

/** The reply in wire form, as a client would get it. */
async function wired(chain: ZoneChain, query: ParsedQuery, lookup?: Lookup): Promise<Reply> {
  const reply = await chain.ask(query, lookup)
  if (reply.unwritten || reply.dropped || reply.wire !== undefined) return reply
  return Reply.fromWire(composeReplyMessage(query, reply))
}

function kubeconfig(server: string, { token, ca }: Omit<ApiAddress, 'url'>): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    clusters: [
      {
        name: 'test',
        cluster: {
          server,
          ...(ca === undefined ? {} : { 'certificate-authority-data': Buffer.from(ca).toString('base64') }),
        },
      },
    ],
    users: [{ name: 'test', user: token === undefined ? {} : { token } }],
  })
}

function nameOf({ kind, metadata }: KubeObject): string {
  return `${kind} ${metadata.namespace ?? ''} ${metadata.name}`
}
