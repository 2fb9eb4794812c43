/** The `k8s_external` directive's options. */
import type { ParseContext } from '../../chain/plugin.ts'
import { CorefileError } from '../../corefile/corefile-error.ts'
import type { Directive } from '../../corefile/directive.ts'
import { fallthrough, type OptionRow, optionTable } from '../../corefile/option-table.ts'
import { textToName } from '../../wire/name.ts'
import { clusterTtl } from '../kubernetes/ttl-option.ts'

export interface ExternalOptions {
  readonly zones: readonly string[]
  readonly apex: string
  readonly ttlSeconds: number
  readonly headless: boolean
  readonly fallthrough: readonly string[]
}

const ANY_COUNT = Number.POSITIVE_INFINITY

const OPTIONS = optionTable({
  apex: apex(),
  ttl: clusterTtl(),
  headless: {
    default: false,
    example: 'headless',
    argsMin: 0,
    argsMax: ANY_COUNT,
    parse: () => true,
  } satisfies OptionRow<boolean>,
  fallthrough: fallthrough(),
})

/** Throws CorefileError. As in CoreDNS a later use in the block takes the place of what it says again. */
export function parseExternal(directives: readonly Directive[], context: ParseContext): ExternalOptions {
  let values = OPTIONS.defaults
  let zones: readonly string[] = []
  for (const { args, block } of directives) {
    zones = context.origins(args)
    values = OPTIONS.parse(block, values)
  }
  return {
    zones: [...new Set(zones)],
    apex: values.apex,
    ttlSeconds: values.ttl,
    headless: values.headless,
    fallthrough: values.fallthrough ?? [],
  }
}

function apex(): OptionRow<string> {
  return {
    default: 'dns',
    example: 'apex dns',
    argsMin: 1,
    argsMax: ANY_COUNT,
    parse: ([word]) => {
      const text = word!.text.toLowerCase().replace(/\.$/, '')
      try {
        textToName(text)
      } catch (error) {
        throw new CorefileError(word!.at, `"${word!.text}" is no name: ${(error as Error).message}`, 'apex dns')
      }
      return text
    },
  }
}
