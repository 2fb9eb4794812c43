/** Serves /metrics of the whole server in the primary. */

import type { IncomingMessage } from 'node:http'
import { promisify } from 'node:util'
import type { PrimaryContext, PrimaryPart, ServerControl } from '../../chain/plugin.ts'
import { type ServedZone, zonesOfBlock } from '../../corefile/served-zones.ts'
import { figuresOf } from '../../messages/figures.ts'
import { builtins } from '../../node-builtins.ts'
import type { HttpReply, TlsSetup } from '../../observe/http-endpoint.ts'
import { printListenAddress } from '../../observe/listen-address.ts'
import { addRuntimeMetrics, registerProcessMetrics } from '../../observe/process-metrics.ts'
import { encodeProtobuf, PROTOBUF_CONTENT_TYPE, prefersProtobuf } from '../../observe/protobuf-exposition.ts'
import { sharedGauge } from '../../observe/shared-metric.ts'
import { VERSION } from '../../version.ts'
import { LastingEndpoint } from '../lasting-endpoint.ts'
import { type EnabledBlock, enabledBlocks } from './enabled-plugins.ts'
import { isInChain } from './in-chain.ts'
import type { PrometheusOptions } from './index.ts'
import { openWebConfig, type WebConfig } from './web-config.ts'

const TEXT_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'
/** Below this a compressed body saves nothing worth the time. */
const GZIP_SIZE_MIN = 1400
const compress = (body: string | Buffer): Promise<Buffer> => promisify(builtins.zlib.gzip)(body)

/** One body for all who ask for a form at the same time: a flood of scrapes costs no more than one after another. */
const gathering = new Map<string, Promise<string | Buffer>>()

/** An endpoint that the parts of several blocks have in common. */
interface SharedEndpoint {
  readonly endpoint: LastingEndpoint
  /** Undefined when it has been opened, or couldn't be. */
  opening: Promise<void> | undefined
  parts: number
}

/** By address. Thousands of blocks name the same one. */
const sharedEndpoints = new WeakMap<ServerControl, Map<string, SharedEndpoint>>()

export class MetricsEndpoint implements PrimaryPart, EnabledBlock {
  readonly #options: PrometheusOptions
  readonly #context: Pick<PrimaryContext, 'log' | 'registry' | 'server' | 'block'>
  #endpoint: LastingEndpoint | undefined

  constructor(options: PrometheusOptions, context: Pick<PrimaryContext, 'log' | 'registry' | 'server' | 'block'>) {
    this.#options = options
    this.#context = context
  }

  get zones(): readonly ServedZone[] {
    const { block, server } = this.#context
    return zonesOfBlock(server.listeners, block.id)
  }

  get plugins(): readonly string[] {
    // Only what answers queries is listed, as in CoreDNS.
    return this.#context.block.plugins.map(({ name }) => name).filter(isInChain)
  }

  /** A port that is taken or a web configuration that can't be read is logged, and DNS goes on, as in CoreDNS. */
  start(): void | Promise<void> {
    const { registry } = this.#context
    const { address, runtimeMetrics, webConfigFile } = this.#options
    registerProcessMetrics(registry)
    if (runtimeMetrics) addRuntimeMetrics(registry)
    registerBuildInfo(registry)
    enabledBlocks(registry).add(this)
    if (webConfigFile === undefined && address.port !== 0) {
      const shared = this.#share()
      this.#endpoint = shared.endpoint
      return shared.opening
    }
    return this.#startAlone(webConfigFile)
  }

  async #startAlone(webConfigFile: string | undefined): Promise<void> {
    const { log } = this.#context
    let web: WebConfig | undefined
    if (webConfigFile !== undefined) {
      try {
        web = await openWebConfig(webConfigFile, (problem) => log.error(problem))
      } catch (error) {
        log.error(`Failed to start HTTPS metrics server: ${(error as Error).message}`)
        return
      }
    }
    this.#endpoint = this.#newEndpoint(web)
    await this.#endpoint.open()
  }

  async stop(): Promise<void> {
    enabledBlocks(this.#context.registry).delete(this)
    const endpoint = this.#endpoint
    this.#endpoint = undefined
    const endpoints = sharedEndpoints.get(this.#context.server)
    const key = printListenAddress(this.#options.address)
    const shared = endpoints?.get(key)
    if (endpoint === undefined || shared?.endpoint !== endpoint) return endpoint?.close()
    if (--shared.parts > 0) return
    endpoints?.delete(key)
    await endpoint.close()
  }

  get address() {
    return this.#endpoint?.address
  }

  #share(): SharedEndpoint {
    const { server } = this.#context
    let endpoints = sharedEndpoints.get(server)
    if (endpoints === undefined) {
      endpoints = new Map()
      sharedEndpoints.set(server, endpoints)
    }
    const key = printListenAddress(this.#options.address)
    let shared = endpoints.get(key)
    if (shared === undefined) {
      const endpoint = this.#newEndpoint(undefined)
      const opened: SharedEndpoint = { endpoint, opening: undefined, parts: 0 }
      opened.opening = endpoint.open().then(() => {
        opened.opening = undefined
      })
      shared = opened
      endpoints.set(key, shared)
    }
    shared.parts++
    return shared
  }

  #newEndpoint(web: WebConfig | undefined): LastingEndpoint {
    const { log } = this.#context
    return new LastingEndpoint(this.#options.address, '/metrics', (request) => this.#answer(request, web), {
      onError: (error) => log.error(`Failed to start metrics handler: ${error.message}`),
      onOpen: () => log.info('Metrics handler started'),
      tls: web?.tls satisfies TlsSetup | undefined,
    })
  }

  async #answer(request: IncomingMessage, web: WebConfig | undefined): Promise<HttpReply> {
    const refusal = await web?.refuse(request)
    if (refusal !== undefined) return refusal
    const isProtobuf = prefersProtobuf(request.headers.accept ?? '')
    const contentType = isProtobuf ? PROTOBUF_CONTENT_TYPE : TEXT_CONTENT_TYPE
    const body = await this.#body(contentType)
    const headers = { 'Content-Type': contentType, Vary: 'Accept, Accept-Encoding', ...web?.headers }
    if (body.length < GZIP_SIZE_MIN || !acceptsGzip(request)) return { status: 200, body, headers }
    return { status: 200, body: await compress(body), headers: { ...headers, 'Content-Encoding': 'gzip' } }
  }

  #body(contentType: string): Promise<string | Buffer> {
    let body = gathering.get(contentType)
    if (body === undefined) {
      body = this.#context.server
        .metrics()
        .then(async (sum) => (contentType === TEXT_CONTENT_TYPE ? sum.metrics() : encodeProtobuf(await figuresOf(sum))))
        .finally(() => gathering.delete(contentType))
      gathering.set(contentType, body)
    }
    return body
  }
}

function acceptsGzip(request: IncomingMessage): boolean {
  const accepted = request.headers['accept-encoding'] ?? ''
  return String(accepted)
    .split(',')
    .some((part) => /^\s*gzip\s*(;\s*q\s*=\s*(1|0?\.\d*[1-9]).*)?$/i.test(part))
}

function registerBuildInfo(registry: PrimaryContext['registry']): void {
  if (registry.getSingleMetric('coredns_build_info') !== undefined) return
  const info = sharedGauge(
    registry,
    'coredns_build_info',
    "A metric with a constant '1' value labeled by version, revision, and goversion from which the server was built.",
    ['version', 'revision', 'goversion'],
    'first',
  )
  info.set({ version: VERSION, revision: '', goversion: process.version }, 1)
}
