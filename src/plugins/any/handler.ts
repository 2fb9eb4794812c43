import type { Handler } from '../../chain/plugin.ts'
import { Reply } from '../../chain/reply.ts'

const TYPE_ANY = 255
/** RFC 8482 section 4.2 asks for a TTL "of some sense"; CoreDNS and others show the RFC's number. */
const TTL_SECONDS = 8482

/** One HINFO record in place of everything there is. RFC 8482 section 4.2. */
export const answerAny: Handler = (query, next) => {
  if (query.qtype !== TYPE_ANY) return next(query)
  query.marks.fixed()
  return Reply.of({
    answers: [
      {
        type: 'HINFO',
        name: query.question.name,
        class: 'IN',
        ttl: TTL_SECONDS,
        data: { cpu: 'ANY obsoleted', os: 'See RFC 8482' },
      },
    ],
  })
}
