/**
 * `template` in a pool thread: the first template that fits answers.
 *
 *   class, type and zone fit? ──no──► next template … ──► next plugin
 *         │ yes
 *   a pattern matches, all conditions are true? ──no──► `fallthrough` covers the name? ──no──► SERVFAIL
 *         │ yes                                                │ yes: next template
 *   run the templates, read what they print as records
 */
import type { Answer } from 'dns-packet'
import type { Handler, HandlerContext, Next } from '../../chain/plugin.ts'
import type { Query } from '../../chain/query.ts'
import { Reply, SERVFAIL } from '../../chain/reply.ts'
import { NOT_IN_SET, ZoneSet } from '../../chain/zone-set.ts'
import { compileRegex, type LinearRegex } from '../../corefile/linear-regex.ts'
import { compileExpression, type Expression } from '../../expression/compile-expression.ts'
import { QUERY_FUNCTIONS } from '../../expression/query-functions.ts'
import type { Names, Scope, Value } from '../../expression/values.ts'
import type { Counter } from '../../observe/prom-client.ts'
import { sharedCounter } from '../../observe/shared-metric.ts'
import { className, typeName } from '../../rdata/rr-types.ts'
import { GoTemplate } from './go-template/execute.ts'
import type { GoStruct } from './go-template/values.ts'
import { BASE_NAMES } from './names.ts'
import { type AllTemplates, ANY, type TemplateOptions } from './options.ts'
import { scanRecord } from './scan-record.ts'
import { type Matched, templateData } from './template-data.ts'

const TYPE_A = 1
const TYPE_AAAA = 28
const OPTION_EDE = 15

type Section = 'answer' | 'authority' | 'additional'
const LABELS = ['server', 'zone', 'view', 'class', 'type'] as const
const FAILURE_LABELS = [...LABELS, 'section', 'template'] as const

interface Counters {
  readonly matches: Counter<(typeof LABELS)[number]>
  readonly templateFailures: Counter<(typeof FAILURE_LABELS)[number]>
  readonly recordFailures: Counter<(typeof FAILURE_LABELS)[number]>
}

/** What became of one template. */
type Outcome = Reply | 'next' | Promise<Reply>

export function openTemplates({ templates }: AllTemplates, context: HandlerContext): Handler {
  const { registry } = context
  const counters: Counters = {
    matches: sharedCounter(registry, 'coredns_template_matches_total', 'Counter of template regex matches.', LABELS),
    templateFailures: sharedCounter(
      registry,
      'coredns_template_template_failures_total',
      'Counter of go template failures.',
      FAILURE_LABELS,
    ),
    recordFailures: sharedCounter(
      registry,
      'coredns_template_rr_failures_total',
      'Counter of mis-templated RRs.',
      FAILURE_LABELS,
    ),
  }
  const opened = templates.map((options) => new OpenTemplate(options, context, counters))
  return (query: Query, next: Next) => {
    for (const template of opened) {
      const outcome = template.answer(query)
      if (outcome !== 'next') return outcome
    }
    return next(query)
  }
}

class OpenTemplate {
  readonly #options: TemplateOptions
  readonly #context: HandlerContext
  readonly #counters: Counters
  readonly #zones: ZoneSet
  readonly #fallthrough: ZoneSet
  readonly #regexes: readonly LinearRegex[]
  readonly #sections: readonly { readonly section: Section; readonly templates: readonly GoTemplate[] }[]
  readonly #variables: readonly { readonly name: string; readonly expression: Expression }[]
  readonly #conditions: readonly Expression[]

  constructor(options: TemplateOptions, context: HandlerContext, counters: Counters) {
    this.#options = options
    this.#context = context
    this.#counters = counters
    this.#zones = new ZoneSet(options.zones)
    this.#fallthrough = new ZoneSet(options.fallthrough ?? [])
    this.#regexes = options.patterns.map(compileRegex)
    const compiled = (section: Section, texts: readonly string[]) => ({
      section,
      templates: texts.map((text) => new GoTemplate(section, text)),
    })
    this.#sections = [
      compiled('answer', options.answers),
      compiled('additional', options.additionals),
      compiled('authority', options.authorities),
    ]
    let names: Names = BASE_NAMES
    this.#variables = options.variables.map(({ name, expression: source }) => {
      const expression = compileExpression(source, names)
      names = new Map([...names, [name, expression.kind]])
      return { name, expression }
    })
    this.#conditions = options.conditions.map((source) => compileExpression(source, names))
  }

  answer(query: Query): Outcome {
    const { qclass, qtype, rcode, extendedError } = this.#options
    const zone = this.#zones.longest(query.parsed)
    if (zone === NOT_IN_SET) return 'next'
    if (qclass !== ANY && query.qclass !== ANY && query.qclass !== qclass) return 'next'
    if (qtype !== ANY && query.qtype !== ANY && query.qtype !== qtype) return 'next'
    const matched = this.#match(query, this.#options.zones[zone]!)
    if (matched === undefined) return this.#passOn(query)
    const variables = new Map<string, Value>()
    try {
      if (!this.#isTrue(query, matched, variables)) return this.#passOn(query)
    } catch (error) {
      // As in CoreDNS an expression that fails is not worth a log line of `errors`.
      this.#context.log.debug(`${query.qnameLower}: ${(error as Error).message}`)
      return Reply.unwritten(SERVFAIL)
    }
    this.#counters.matches.inc(this.#labels(query, matched))
    if (rcode === SERVFAIL) return Reply.unwritten(SERVFAIL)
    const data = templateData(query, matched, variables)
    const records: Record<Section, Answer[]> = { answer: [], authority: [], additional: [] }
    for (const { section, templates } of this.#sections) {
      for (const template of templates) {
        const result = this.#record(query, matched, section, template, data)
        if (result instanceof Error) return Reply.unwritten(SERVFAIL, result.message)
        if (result !== undefined) records[section].push(result)
      }
    }
    // Only now: what another plugin answers is that plugin's to mark.
    query.marks.fixed()
    const reply = Reply.of(
      { answers: records.answer, authorities: records.authority, additionals: records.additional },
      { rcode, authoritative: true },
    )
    if (extendedError !== undefined) {
      const { code, text } = extendedError
      const data = Uint8Array.of(code >>> 8, code & 255, ...Buffer.from(text, 'utf8'))
      reply.options.push({ code: OPTION_EDE, data })
    }
    const isAddress = query.qtype === TYPE_A || query.qtype === TYPE_AAAA
    const hasCname = records.answer.some(({ type }) => type === 'CNAME')
    return isAddress && hasCname ? this.#followCnames(query, reply, records.answer) : reply
  }

  #match(query: Query, zone: string): Matched | undefined {
    const { qclass, qtype } = this.#options
    for (const regex of this.#regexes) {
      const found = regex.match(query.qnameLower)
      if (found === undefined) continue
      const groups = found.groups.map((group) => group ?? '')
      const byName = new Map(groups.map((group, i) => [String(i), group]))
      for (const [name, i] of regex.groupNames) byName.set(name, groups[i]!)
      return {
        zone,
        pattern: regex.source,
        groups,
        byName,
        className: className(query.qclass === ANY ? qclass : query.qclass),
        typeName: typeName(query.qtype === ANY ? qtype : query.qtype),
      }
    }
    return undefined
  }

  /** Runs the variables, then the conditions. Throws what an expression throws. */
  #isTrue(query: Query, { byName }: Matched, variables: Map<string, Value>): boolean {
    if (this.#variables.length === 0 && this.#conditions.length === 0) return true
    const about = { query, listener: this.#context.listeners[query.listenerId] }
    const scope: Scope = {
      variable: (name) => variables.get(name) ?? null,
      call(name, args) {
        if (name === 'group') return byName.get(String(args[0])) ?? ''
        return QUERY_FUNCTIONS.get(name)!.run(about, args)
      },
    }
    for (const { name, expression } of this.#variables) variables.set(name, expression.run(scope))
    return this.#conditions.every((condition) => condition.run(scope) === true)
  }

  #passOn(query: Query): 'next' | Reply {
    return this.#fallthrough.holds(query.parsed) ? 'next' : Reply.unwritten(SERVFAIL)
  }

  /** Undefined when the template printed nothing but white space. */
  #record(
    query: Query,
    matched: Matched,
    section: Section,
    template: GoTemplate,
    data: GoStruct,
  ): Answer | undefined | Error {
    const labels = () => ({ ...this.#labels(query, matched), section, template: template.text })
    let text: string
    try {
      text = template.execute(data)
    } catch (error) {
      this.#counters.templateFailures.inc(labels())
      return error as Error
    }
    try {
      return scanRecord(text)
    } catch (error) {
      this.#counters.recordFailures.inc(labels())
      return new Error(`dns: ${(error as Error).message}`)
    }
  }

  /** The answers of each CNAME's target come behind it, as the whole server answers them. */
  async #followCnames(query: Query, reply: Reply, answers: readonly Answer[]): Promise<Reply> {
    const all: Answer[] = []
    for (const answer of answers) {
      all.push(answer)
      if (answer.type !== 'CNAME') continue
      const found = await this.#context.lookup(query, `${answer.data.replace(/\.$/, '')}.`, query.qtype)
      if (found.unwritten || found.dropped) continue
      reply.truncated = found.truncated
      all.push(...found.sections.answers)
    }
    reply.sections.answers = all
    return reply
  }

  #labels(query: Query, { zone, className: qclass, typeName: qtype }: Matched) {
    const server = this.#context.listeners[query.listenerId]?.server ?? ''
    return { server, zone, view: '', class: qclass, type: qtype }
  }
}
