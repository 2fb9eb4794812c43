import { hostname } from 'node:os'
import type { Answer } from 'dns-packet'
import type { Handler } from '../../chain/plugin.ts'
import { Reply } from '../../chain/reply.ts'
import type { ChaosOptions } from './index.ts'
import { type ChaosName, CLASS_CH, chaosName, TYPE_TXT } from './names.ts'

export function openChaos({ version, authors }: ChaosOptions): Handler {
  const texts: Record<ChaosName, () => readonly string[]> = {
    version: () => [version],
    hostname: () => [hostname().slice(0, 255)],
    authors: () => shuffled(authors),
  }
  return (query, next) => {
    if (query.qclass !== CLASS_CH || query.qtype !== TYPE_TXT) return next(query)
    const asks = chaosName(query.parsed)
    if (asks === undefined) return next(query)
    query.marks.noStore()
    const { name } = query.question
    return Reply.of({
      answers: texts[asks]().map((data): Answer => ({ type: 'TXT', name, class: 'CH', ttl: 0, data })),
    })
  }
}

function shuffled(texts: readonly string[]): string[] {
  const order = [...texts]
  for (let i = order.length - 1; i > 0; i--) {
    const other = Math.floor(Math.random() * (i + 1))
    ;[order[i], order[other]] = [order[other]!, order[i]!]
  }
  return order
}
