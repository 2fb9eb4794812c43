import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ListenerConfig } from '../../src/corefile/server-config.ts'
import { zoneLines } from '../../src/corefile/zone-lines.ts'

function listener(more: Partial<ListenerConfig>, ...zones: string[]): ListenerConfig {
  return {
    id: 0,
    transport: 'dns',
    address: '',
    port: 53,
    sockets: 0,
    server: `${more.transport ?? 'dns'}://${more.address ?? ''}:${more.port ?? 53}`,
    zones: zones.map((zone) => ({ zone, blockIds: [0] })),
    allClasses: false,
    ...more,
  }
}

const cases = [
  { title: 'all addresses', listeners: [listener({}, '.')], lines: ['.:53'] },
  {
    title: 'one address, zones sorted',
    listeners: [listener({ address: '127.0.0.1', port: 1053 }, 'example.org.', 'a.example.')],
    lines: ['a.example.:1053 on 127.0.0.1', 'example.org.:1053 on 127.0.0.1'],
  },
  {
    title: 'a transport with a scheme',
    listeners: [listener({ transport: 'tls', port: 853 }, 'example.org.')],
    lines: ['tls://example.org.:853'],
  },
  { title: 'once per socket', listeners: [listener({ sockets: 2 }, '.')], lines: ['.:53', '.:53'] },
]
for (const { title, listeners, lines } of cases) {
  test(title, () => assert.deepEqual(zoneLines({ generation: 1, hash: '', blocks: [], listeners }), lines))
}
