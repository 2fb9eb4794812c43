/**
 * Servers that the suite brings: the ceiling of each transport (an echo server), and what most people would write with npm's packages.
 */
import { fileURLToPath } from 'node:url'
import { type ServerKind, servesZones } from './server.ts'

const program = (name: string) => fileURLToPath(new URL(`programs/${name}.ts`, import.meta.url))

function echo(name: string, udp: 'mmsg' | 'dgram'): ServerKind {
  return {
    name,
    version: () =>
      udp === 'mmsg' && Number(process.versions.node.split('.')[0]) < 26 ? undefined : `Node ${process.versions.node}`,
    takes: (workload) => servesZones(workload) && workload.transport === 'udp',
    unchecked: true,
    prepare: ({ address, port }) => ({
      command: process.execPath,
      args: [...process.execArgv, program('echo'), udp, address, `${port}`],
    }),
  }
}

const npm: ServerKind = {
  name: 'npm-server',
  version: () => `Node ${process.versions.node}, dgram, dns-packet, lru-cache`,
  takes: (workload) => servesZones(workload) && workload.transport === 'udp' && !workload.large,
  prepare: ({ address, port, workload, zoneFile }) => ({
    command: process.execPath,
    args: [
      ...process.execArgv,
      program('npm-server'),
      address,
      `${port}`,
      ...workload.zones.flatMap(({ origin }) => [origin, zoneFile(origin)]),
    ],
  }),
}

export default [echo('echo', 'mmsg'), echo('echo-dgram', 'dgram'), npm]
