/**
 * The same zones in Shoal, Knot, NSD and BIND, and thousands of questions: where the three agree Shoal must agree with
 * them; where they differ it must side with one of them. Over UDP (twice: cold, then again) and over TCP.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import test, { after, before, describe } from 'node:test'
import { figureOf, figureText } from '../support/compare-replies.ts'
import { composeTestQuery, openTcpClient, openUdpClient, type TestClient } from '../support/dns-client.ts'
import { missingPeers, missingPrograms, type Peer, type PeerZone, startPeer } from '../support/peers.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { generateZone, questionNames } from '../support/zone-generator.ts'

const SEED = Number(process.env['SEED'] ?? 20261124)
/** A, NS, CNAME, SOA, PTR, MX, TXT, AAAA, SRV, DNAME, DS, HTTPS, TYPE65280. */
const TYPES = [1, 2, 5, 6, 12, 15, 16, 28, 33, 39, 43, 65, 65280]
/** Of made-up and random names only these are asked. */
const FEW_TYPES = [1, 2, 15, 43]
/** Differences between the peers in which Shoal sides with none may not exist; ties are listed in docs/answers.md. */
const IN_FLIGHT = 50

interface Question {
  readonly qname: string
  readonly qtype: number
  readonly dnssecOk: boolean
}

const skip = missingPeers('knot', 'nsd', 'bind') || missingPrograms('dnssec-signzone', 'dnssec-keygen')

describe('answers equal those of Knot, NSD and BIND', { skip }, () => {
  const folder = skip === false ? temporaryFolder() : ''
  const zones: PeerZone[] = []
  const questions: Question[] = []
  let peers: Peer[] = []
  let shoal: TestServer

  before(async () => {
    const features = readFileSync(resolve(import.meta.dirname, '../fixtures/zones/features.example.zone'), 'utf8')
    addZone('features.example', features, TYPES)
    for (let i = 0; i < 3; i++) {
      const apex = `random${i}.test`
      addZone(apex, generateZone(`${apex}.`, SEED + i), FEW_TYPES)
    }
    addSigned('nsec.example', features.replaceAll('features.example', 'nsec.example'), [])
    addSigned('nsec3.example', features.replaceAll('features.example', 'nsec3.example'), ['-3', 'aabb', '-H', '2'])
    addSigned('optout.example', features.replaceAll('features.example', 'optout.example'), ['-3', '-', '-H', '0', '-A'])
    const corefile = [
      '.:PORT {',
      '  bind 127.0.0.1',
      ...zones.map(({ apex, file }) => `  file ${file} ${apex}`),
      '  errors',
      '  cache',
      '}',
    ].join('\n')
    const started = await Promise.all([startPeer('knot', zones), startPeer('nsd', zones), startPeer('bind', zones)])
    peers = started
    shoal = await startServer(corefile)
  })

  after(async () => {
    await Promise.all([...peers.map((peer) => peer.stop()), shoal?.stop()])
  })

  function addZone(apex: string, text: string, types: readonly number[]): void {
    const file = join(folder, `${apex}.zone`)
    writeFileSync(file, text)
    zones.push({ apex, file })
    for (const qname of questionNames(text, `${apex}.`)) {
      const made = qname.startsWith('nx.') || qname.startsWith('zz')
      for (const qtype of made ? FEW_TYPES : types) questions.push({ qname, qtype, dnssecOk: false })
    }
  }

  function addSigned(apex: string, text: string, signArgs: string[]): void {
    const file = join(folder, `${apex}.zone`)
    const keygen = (...args: string[]): string =>
      execFileSync('dnssec-keygen', ['-q', '-K', folder, '-a', 'ECDSAP256SHA256', ...args, apex], {
        encoding: 'utf8',
      }).trim()
    const keys = [keygen('-f', 'KSK'), keygen()]
    const withKeys = `${text}\n${keys.map((key) => readFileSync(join(folder, `${key}.key`), 'utf8')).join('\n')}`
    writeFileSync(file, withKeys)
    execFileSync(
      'dnssec-signzone',
      ['-q', '-P', '-K', folder, '-o', apex, '-f', `${file}.signed`, ...signArgs, '-S', file],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
        cwd: folder,
      },
    )
    zones.push({ apex, file: `${file}.signed` })
    for (const qname of questionNames(text, `${apex}.`)) {
      const made = qname.startsWith('nx.') || qname.startsWith('zz')
      for (const qtype of made ? [1, 43] : [1, 16, 28, 43, 39, 33]) questions.push({ qname, qtype, dnssecOk: true })
    }
    for (const qtype of [2, 6, 48, 51, 47]) questions.push({ qname: `${apex}.`, qtype, dnssecOk: true })
  }

  async function askAll(port: number, tcp: boolean): Promise<(string | undefined)[]> {
    const client: TestClient = tcp ? openTcpClient(port) : openUdpClient(port)
    const found: (string | undefined)[] = new Array(questions.length)
    let next = 0
    const ask = async (): Promise<void> => {
      while (next < questions.length) {
        const i = next++
        const { qname, qtype, dnssecOk } = questions[i]!
        const query = composeTestQuery(qname, qtype, { flags: 0, udpSize: 4096, dnssecOk })
        let reply = await client.ask(query, 2000)
        if (reply === undefined) reply = await client.ask(query, 2000)
        found[i] = reply === undefined ? undefined : figureText(figureOf(reply))
      }
    }
    await Promise.all(Array.from({ length: IN_FLIGHT }, ask))
    client.close()
    return found
  }

  /** What the peers said when they were asked last. */
  let theirs: (string | undefined)[][] = []

  for (const { title, tcp, again } of [
    { title: 'over UDP, cold', tcp: false, again: false },
    { title: 'over UDP, again', tcp: false, again: true },
    { title: 'over TCP', tcp: true, again: false },
  ]) {
    test(title, async (t) => {
      const [ours, ...asked] = await Promise.all([
        askAll(shoal.port, tcp),
        // Only Shoal has a cache that may answer the second time.
        ...(again ? [] : peers.map((peer) => askAll(peer.port, tcp))),
      ])
      if (!again) theirs = asked
      let agreed = 0
      let split = 0
      const wrong: string[] = []
      for (const [i, question] of questions.entries()) {
        const answers = theirs.map((found) => found[i])
        const unanimous = answers.every((text) => text === answers[0])
        if (unanimous) agreed++
        else split++
        if (answers.includes(ours![i])) continue
        const { qname, qtype, dnssecOk } = question
        const views = peers.map((peer, k) => `${peer.name}:\n${answers[k]}`).join('\n')
        wrong.push(
          `${qname} type ${qtype}${dnssecOk ? ' DO' : ''}\nshoal:\n${ours![i]}\n${unanimous ? `all peers:\n${answers[0]}` : views}`,
        )
      }
      t.diagnostic(
        `SEED=${SEED}: ${questions.length} questions in ${zones.length} zones; peers agree on ${agreed}, split on ${split}`,
      )
      assert.ok(questions.length >= 3000, `${questions.length} questions`)
      assert.equal(
        wrong.length,
        0,
        `${wrong.length} answers that no peer gives; the first:\n${wrong.slice(0, 5).join('\n\n')}`,
      )
    })
  }
})
