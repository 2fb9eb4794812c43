/** Which UDP transport this process uses: what was asked for, or the best that works here. */
import type { UdpChoice } from '../messages/protocol.ts'
import { dgramTransport } from './dgram-transport.ts'
import { mmsgTransport } from './mmsg/mmsg-socket.ts'
import { selfTest } from './mmsg/self-test.ts'
import type { UdpTransport } from './udp-transport.ts'

/** Rejects when `mmsg` was asked for and doesn't work. */
export async function chooseUdpTransport(choice: UdpChoice): Promise<UdpTransport> {
  if (choice === 'dgram') return dgramTransport('asked for with -udp dgram')
  const fault = await selfTest()
  if (fault === undefined) return mmsgTransport(choice === 'mmsg' ? 'asked for with -udp mmsg' : 'its self-test passed')
  if (choice === 'mmsg') throw new Error(`-udp mmsg: ${fault}`)
  return dgramTransport(`mmsg is not available: ${fault}`)
}
