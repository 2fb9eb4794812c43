/** What a test asks of whoever runs the real API server: over HTTP on 127.0.0.1, since each file of tests is a process of its own. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { RealApi } from './real-api.ts'

/** Saving and restoring restart both programs. */
const ANSWER_MS_MAX = 120_000

/** Environment of test files that run on the real API. */
export interface RealEnvironment {
  readonly SHOAL_KUBE_API: string
  readonly SHOAL_KUBE_TOKEN: string
  readonly SHOAL_KUBE_CA: string
  readonly SHOAL_KUBE_CONTROL: string
}

export class ControlServer {
  readonly #server: Server
  readonly #api: RealApi

  private constructor(api: RealApi) {
    this.#api = api
    this.#server = createServer((request, response) => {
      this.#do(new URL(request.url ?? '', 'http://control')).then(
        (result) => response.end(JSON.stringify({ result })),
        (error: Error) => {
          response.statusCode = 500
          response.end(error.message)
        },
      )
    })
  }

  static async start(api: RealApi): Promise<ControlServer> {
    const control = new ControlServer(api)
    await new Promise<void>((resolve) => control.#server.listen(0, '127.0.0.1', resolve))
    return control
  }

  get environment(): RealEnvironment {
    return {
      SHOAL_KUBE_API: this.#api.url,
      SHOAL_KUBE_TOKEN: this.#api.adminToken,
      SHOAL_KUBE_CA: this.#api.caFile,
      SHOAL_KUBE_CONTROL: `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`,
    }
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #do({ pathname, searchParams }: URL): Promise<string | undefined> {
    const word = searchParams.get('word') ?? ''
    switch (pathname) {
      case '/token':
        return this.#api.token(word)
      case '/replace-token':
        return this.#api.token(word, true)
      case '/compact':
        await this.#api.compact()
        return undefined
      case '/save':
        return this.#api.save()
      case '/restore':
        await this.#api.restore(word)
        return undefined
      default:
        throw new Error(`${pathname}: there is no such thing`)
    }
  }
}

/** Asks the runner. */
export async function control(
  what: 'token' | 'replace-token' | 'compact' | 'save' | 'restore',
  word = '',
): Promise<string> {
  const url = new URL(`/${what}?word=${encodeURIComponent(word)}`, process.env['SHOAL_KUBE_CONTROL'])
  const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS_MAX) })
  if (!response.ok) throw new Error(`${what}: ${await response.text()}`)
  return ((await response.json()) as { readonly result?: string }).result ?? ''
}
