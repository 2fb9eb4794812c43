import { createServer } from 'node:net'

/** Free for TCP; the few ports of a run seldom meet a UDP socket of somebody else's. */
export async function freePort(address: string): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, address, resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}
