import assert from 'node:assert/strict'
import test from 'node:test'
import { Dnsperf, readCounts } from '../../native-free-bench/load/dnsperf.ts'
import { missingPrograms } from '../support/peers.ts'
import { startServer } from '../support/server.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const OUTPUT = `
  Queries sent:         1010
  Queries completed:    1000 (99.01%)
  Queries lost:         10 (0.99%)

  Response codes:       NOERROR 700 (70.00%), SERVFAIL 100 (10.00%), NXDOMAIN 200 (20.00%)
  Run time (s):         2.000000
  Queries per second:   500.000000
`

test('its statistics: what came with an RCODE that no query of the workload has is wrong', () => {
  assert.deepEqual(readCounts(OUTPUT, new Set(['NOERROR', 'NXDOMAIN'])), {
    qps: 500,
    right: 900,
    wrong: 100,
    wrongRcode: 100,
    lost: 10,
  })
  assert.equal(readCounts(OUTPUT, new Set(['NOERROR'])).wrong, 300)
  assert.throws(() => readCounts('Error: no such file', new Set()), /printed no statistics: Error: no such file/)
})

test('the queries of a workload, over UDP and TCP', { skip: missingPrograms('dnsperf') }, async () => {
  const folder = temporaryFolder()
  const server = await startServer('.:PORT {\n  template ANY ANY {\n    rcode NXDOMAIN\n  }\n}\n')
  try {
    const dnsperf = new Dnsperf([undefined], folder)
    const job = { address: '127.0.0.1', port: server.port, flows: 4, seconds: 1, window: 20 }
    const flood = await dnsperf.run({ ...job, workload: 'nxdomain', transport: 'udp' })
    assert.ok(flood.right > 100 && flood.wrong === 0 && flood.lost === 0, JSON.stringify(flood))
    const hits = await dnsperf.run({ ...job, workload: 'hits', transport: 'tcp' })
    assert.ok(hits.right === 0 && hits.wrong > 100, JSON.stringify(hits))
  } finally {
    await server.stop()
  }
})
