import type { Answer } from 'dns-packet'
import type { Handler } from '../../chain/plugin.ts'
import { Reply } from '../../chain/reply.ts'

/** Ends the chain: an empty answer, and the client in the additional section. */
export const answerWhoami: Handler = (query) => {
  const { address, port, family } = query.client()
  const { name, class: qclass } = query.question
  const transport = query.transport()
  const owner = { name, class: qclass, ttl: 0 }
  // An interface (`%eth0`) is ours, not part of the address.
  const data = address.replace(/%.*$/, '')
  const additionals = [
    family === 4 ? { ...owner, type: 'A', data } : { ...owner, type: 'AAAA', data },
    {
      ...owner,
      type: 'SRV',
      name: name === '.' ? `_${transport}` : `_${transport}.${name}`,
      data: { priority: 0, weight: 0, port, target: '.' },
    },
  ] as Answer[]
  return Reply.of({ additionals }, { authoritative: true })
}
