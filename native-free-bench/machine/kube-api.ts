/** The API of a large cluster, in a process of its own, for servers that follow it. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Told } from '../../test/kube/big-cluster.ts'
import type { ClusterSize } from '../../test/kube/big-cluster-names.ts'

export interface KubeApi {
  readonly url: string
  stop(): Promise<void>
}

export async function startKubeApi(size: ClusterSize): Promise<KubeApi> {
  const child = fork(fileURLToPath(new URL('../../test/kube/big-cluster.ts', import.meta.url)), {
    execArgv: ['--disable-warning=ExperimentalWarning', '--max-old-space-size=4096'],
  })
  const exited = once(child, 'exit')
  const told = once(child, 'message') as Promise<[Told]>
  child.send({ kind: 'start', size })
  const [{ url }] = await Promise.race([
    told,
    exited.then(([code]): never => {
      throw new Error(`the cluster's API ended with code ${code}`)
    }),
  ])
  return {
    url,
    async stop() {
      child.disconnect()
      await exited
    },
  }
}
