/** A pod that asks: the walk-through's `client`. */

import { type Ended, eventually, run } from '../support/command.ts'
import type { Cluster } from './cluster.ts'

export interface Load {
  /** Ends it and gives what came of it. */
  stop(): Promise<LoadResult>
}

export interface LoadResult {
  readonly sent: number
  readonly lost: number
  /** Answers by RCODE. */
  readonly rcodes: Readonly<Record<string, number>>
}

export class Client {
  readonly #cluster: Cluster

  constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  /** Standard output of a command in the pod. */
  run(...command: string[]): Promise<string> {
    return this.#cluster.kubectl(['exec', 'client', '--', ...command])
  }

  /** `dig +short`: the lines, sorted. */
  async ask(...query: string[]): Promise<readonly string[]> {
    const text = await this.run('dig', '+short', '+tries=1', '+time=3', ...query)
    return text
      .split('\n')
      .filter((line) => line !== '')
      .sort()
  }

  /** The RCODE. */
  async rcode(...query: string[]): Promise<string> {
    const text = await this.run('dig', '+tries=1', '+time=3', ...query)
    return /status: ([A-Z]+)/.exec(text)?.[1] ?? 'none'
  }

  /** Asks for these names until stopped, from 20 ports, without repeating a query that wasn't answered within 5 seconds. */
  async startLoad(queriesPerSecond: number, questions: readonly string[]): Promise<Load> {
    await this.#cluster.kubectl(
      ['exec', '-i', 'client', '--', 'sh', '-c', 'cat > /tmp/questions; rm -f /tmp/load.pid'],
      {
        input: `${questions.join('\n')}\n`,
      },
    )
    const flags = `-s 10.96.0.10 -d /tmp/questions -l 600 -c 20 -Q ${queriesPerSecond} -t 5`
    const ended: Promise<Ended> = this.#cluster.attempt(
      ['kubectl', 'exec', 'client', '--', 'sh', '-c', `echo $$ > /tmp/load.pid; exec dnsperf ${flags}`],
      { timeoutMs: 660_000 },
    )
    ended.catch(() => {})
    await eventually('the load runs', async () => (await this.run('cat', '/tmp/load.pid')) || undefined)
    return {
      stop: async () => {
        await this.run('sh', '-c', 'kill -INT $(cat /tmp/load.pid)')
        return readResult((await ended).stdout)
      },
    }
  }
}

/** What dnsperf printed at its end. */
export function readResult(text: string): LoadResult {
  const sent = Number(/Queries sent:\s+(\d+)/.exec(text)?.[1] ?? Number.NaN)
  const lost = Number(/Queries lost:\s+(\d+)/.exec(text)?.[1] ?? Number.NaN)
  const rcodes = Object.fromEntries(
    [...(/Response codes:(.*)/.exec(text)?.[1] ?? '').matchAll(/([A-Z]+) (\d+)/g)].map(([, rcode, count]) => [
      rcode!,
      Number(count),
    ]),
  )
  if (!(sent > 0) || Number.isNaN(lost)) throw new Error(`dnsperf printed no result:\n${text.slice(-2000)}`)
  return { sent, lost, rcodes }
}

/** Of `kubectl get --output json`. */
export interface PodList {
  readonly items: readonly {
    readonly metadata: { readonly name: string; readonly deletionTimestamp?: string }
    readonly status: {
      readonly podIP?: string
      readonly containerStatuses?: readonly {
        /** `containerd://ID` */
        readonly containerID: string
        readonly restartCount: number
      }[]
    }
  }[]
}

export async function podsOf(cluster: Cluster, namespace: string, selector: string): Promise<PodList['items']> {
  const text = await cluster.kubectl(['get', 'pods', '-n', namespace, '-l', selector, '-o', 'json'])
  return (JSON.parse(text) as PodList).items.filter(({ metadata }) => metadata.deletionTimestamp === undefined)
}

/** What the kernel says of the container's processes, those of this name only: `/proc/PID/status`. */
export async function statusesIn(containerId: string, name: string): Promise<readonly ReadonlyMap<string, string>[]> {
  const script = 'for p in /proc/[0-9]*; do grep -q "$1" $p/cgroup && cat $p/status && echo; done 2>/dev/null; true'
  const text = await run(['sh', '-c', script, 'sh', containerId.replace(/^.*\/\//, '')])
  return text
    .split('\n\n')
    .map((status) => new Map(status.split('\n').map((line) => line.split(':\t') as [string, string])))
    .filter((status) => status.get('Name') === name)
}
