/** Whether an answer section answers its question: RFC 1034 section 3.6.2 and RFC 2308 sections 1 and 2.2. */
import { expandName, lowerName, skipName } from '../../wire/name.ts'
import { HEADER_SIZE, NAME_SIZE_MAX } from '../../wire/parsed-query.ts'

const TYPE_CNAME = 5
const QTYPE_ANY = 255
const CLASS_ANY = 255

const scratch = new Uint8Array(NAME_SIZE_MAX + 1)

/**
 * Follows the CNAMEs of the `answerCount` records from the qname on, whatever order they stand in, and says whether the
 * queried type is there at the end. An owner with two different targets, or a loop, has no end: false. ANY is answered
 * by any record of the qname, CNAME by its CNAME. The records' bounds have been checked; names are checked here.
 */
export function answersQuestion(message: Uint8Array, questionEnd: number, answerCount: number): boolean {
  const qtype = (message[questionEnd - 4]! << 8) | message[questionEnd - 3]!
  const qclass = (message[questionEnd - 2]! << 8) | message[questionEnd - 1]!
  const qname = nameAt(message, HEADER_SIZE)
  if (qname === undefined) return false
  const targets = new Map<string, string>()
  const ambiguous = new Set<string>()
  const owners = new Set<string>()
  let at = questionEnd
  for (let i = 0; i < answerCount; i++) {
    const fixed = skipName(message, at, message.length)
    const owner = nameAt(message, at)
    if (owner === undefined) return false
    const type = (message[fixed]! << 8) | message[fixed + 1]!
    const rrclass = (message[fixed + 2]! << 8) | message[fixed + 3]!
    at = fixed + 10 + ((message[fixed + 8]! << 8) | message[fixed + 9]!)
    if (qclass !== CLASS_ANY && rrclass !== qclass) continue
    if (type === qtype || qtype === QTYPE_ANY) owners.add(owner)
    if (type !== TYPE_CNAME) continue
    const target = nameAt(message, fixed + 10)
    if (target === undefined) return false
    const known = targets.get(owner)
    if (known !== undefined && known !== target) ambiguous.add(owner)
    targets.set(owner, target)
  }
  if (qtype === QTYPE_ANY) return owners.has(qname)
  if (qtype === TYPE_CNAME) return targets.has(qname) && !ambiguous.has(qname)
  let name = qname
  for (let steps = 0; steps <= targets.size; steps++) {
    if (ambiguous.has(name)) return false
    const target = targets.get(name)
    if (target === undefined) return owners.has(name)
    name = target
  }
  return false
}

/** Lower-case wire form, one character per octet; undefined for what is no name. */
function nameAt(message: Uint8Array, at: number): string | undefined {
  const size = expandName(message, 0, message.length, at, scratch, 0)
  if (size < 0) return undefined
  lowerName(scratch, 0, size)
  return Buffer.from(scratch.buffer, 0, size).toString('latin1')
}
