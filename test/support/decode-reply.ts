/** Reads a reply the plain way, independently of src/: every name spelled out, records as one line each. */

export interface DecodedRecord {
  /** Wire form as latin1, lower-case. */
  readonly owner: string
  readonly type: number
  readonly ttlSeconds: number
  /** Hexadecimal; names in it spelled out for the types of RFC 1035. */
  readonly rdata: string
}

export interface DecodedReply {
  readonly id: number
  readonly flags: number
  readonly rcode: number
  readonly authoritative: boolean
  readonly truncated: boolean
  /** The question's octets, hexadecimal. */
  readonly question: string
  readonly sections: readonly [DecodedRecord[], DecodedRecord[], DecodedRecord[]]
}

/** Throws when the message isn't well formed or has octets left over. */
export function decodeReply(message: Uint8Array): DecodedReply {
  const bytes = Buffer.from(message)
  const name = (from: number): { text: string; next: number } => {
    let text = ''
    let at = from
    let next = -1
    let lowest = from
    for (;;) {
      const size = bytes.readUInt8(at)
      if (size >= 0xc0) {
        const target = bytes.readUInt16BE(at) & 0x3fff
        if (next < 0) next = at + 2
        if (target >= lowest || target < 12) throw new Error(`pointer at ${at} leads to ${target}`)
        lowest = target
        at = target
        continue
      }
      if (size > 63 || at + 1 + size > bytes.length) throw new Error(`bad label at ${at}`)
      text += bytes.toString('latin1', at, at + 1 + size)
      at += 1 + size
      if (text.length > 255) throw new Error('name too long')
      if (size === 0) return { text: text.toLowerCase(), next: next < 0 ? at : next }
    }
  }
  let at = 12
  const questions = bytes.readUInt16BE(4)
  if (questions > 1) throw new Error('more than one question')
  if (questions === 1) {
    // Read octet by octet: the case of the question counts.
    while (bytes.readUInt8(at) !== 0) at += bytes.readUInt8(at) + 1
    at += 5
  }
  const question = bytes.toString('hex', 12, at)
  const sections: [DecodedRecord[], DecodedRecord[], DecodedRecord[]] = [[], [], []]
  for (const [section, records] of sections.entries()) {
    for (let left = bytes.readUInt16BE(6 + 2 * section); left > 0; left--) {
      const owner = name(at)
      const type = bytes.readUInt16BE(owner.next)
      if (bytes.readUInt16BE(owner.next + 2) !== 1) throw new Error('class is not IN')
      const ttlSeconds = bytes.readUInt32BE(owner.next + 4)
      const start = owner.next + 10
      const end = start + bytes.readUInt16BE(owner.next + 8)
      if (end > bytes.length) throw new Error('rdata past the end')
      let rdata = ''
      let from = start
      const prefix = type === 15 ? 2 : 0
      const names = [2, 3, 4, 5, 7, 8, 9, 12, 15].includes(type) ? 1 : [6, 14].includes(type) ? 2 : 0
      if (names > 0) {
        rdata += bytes.toString('hex', from, from + prefix)
        from += prefix
        for (let k = 0; k < names; k++) {
          const inside = name(from)
          rdata += Buffer.from(inside.text, 'latin1').toString('hex')
          from = inside.next
        }
        if (from > end) throw new Error('name past the end of its rdata')
      }
      rdata += bytes.toString('hex', from, end)
      records.push({ owner: owner.text, type, ttlSeconds, rdata })
      at = end
    }
  }
  if (at !== bytes.length) throw new Error(`${bytes.length - at} octets left over`)
  const flags = bytes.readUInt16BE(2)
  return {
    id: bytes.readUInt16BE(0),
    flags,
    rcode: flags & 15,
    authoritative: (flags & 0x0400) !== 0,
    truncated: (flags & 0x0200) !== 0,
    question,
    sections,
  }
}
