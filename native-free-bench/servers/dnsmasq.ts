import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { firstLine, type ServerKind, servesZones } from './server.ts'

/** It reads no master files: its records come from a hosts file that holds the zones' addresses. */
const dnsmasq: ServerKind = {
  name: 'dnsmasq',
  version: () => firstLine('dnsmasq', '--version'),
  takes: (workload) => servesZones(workload) && !workload.large,
  prepare({ address, folder, port, workload }) {
    const hosts: string[] = []
    for (const { origin, records } of workload.zones) {
      for (const record of records()) {
        const [owner = '', type, rdata] = record.split(' ')
        if (type === 'A' || type === 'AAAA')
          hosts.push(`${rdata} ${owner.endsWith('.') ? owner : `${owner}.${origin}`}`.replace(/\.$/, ''))
      }
    }
    writeFileSync(join(folder, 'hosts'), `${hosts.join('\n')}\n`)
    const args = [
      '--keep-in-foreground',
      '--conf-file=/dev/null',
      '--no-resolv',
      '--no-hosts',
      '--bind-interfaces',
      '--user=',
      `--listen-address=${address}`,
      `--port=${port}`,
      `--pid-file=${join(folder, 'pid')}`,
      `--addn-hosts=${join(folder, 'hosts')}`,
      '--local-ttl=300',
      '--dns-forward-max=10000',
      ...workload.zones.map(({ origin }) => `--local=/${origin.replace(/\.$/, '')}/`),
    ]
    return { command: 'dnsmasq', args }
  },
}

export default [dnsmasq]
