/**
 * Label selectors as a Corefile writes them, `app=web,tier in (a, b),!debug`, checked and put into the form that the API
 * takes. The API would refuse a wrong one too, but only when the server already runs.
 */

/** Why a text is no selector, in words of the API's own library. */
export class SelectorError extends Error {
  readonly code = 'SHOAL_LABEL_SELECTOR'
  constructor(problem: string) {
    super(problem)
    this.name = 'SelectorError'
  }
}

const KEY = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/
const VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/

/** The selector in the API's form. Throws SelectorError. */
export function parseLabelSelector(text: string): string {
  return splitRequirements(text).map(requirement).join(',')
}

/** At the commas outside of parentheses. */
function splitRequirements(text: string): string[] {
  const parts: string[] = []
  let depth = 0
  let from = 0
  for (let at = 0; at < text.length; at++) {
    const character = text[at]
    if (character === '(') depth++
    else if (character === ')') depth--
    else if (character === ',' && depth === 0) {
      parts.push(text.slice(from, at))
      from = at + 1
    }
  }
  parts.push(text.slice(from))
  return parts.map((part) => part.trim())
}

function requirement(text: string): string {
  const exists = /^(!?)\s*([^\s=!()<>,]+)$/.exec(text)
  if (exists !== null) return `${exists[1]}${key(exists[2]!)}`
  const set = /^(\S+)\s+(in|notin)\s*\(([^()]*)\)$/.exec(text)
  if (set !== null) {
    const values = set[3]!.split(',').map((each) => value(each.trim()))
    return `${key(set[1]!)} ${set[2]} (${[...new Set(values)].sort().join(',')})`
  }
  const equals = /^([^\s=!<>]+)\s*==?\s*([^\s=]*)$/.exec(text)
  if (equals !== null) return `${key(equals[1]!)}=${value(equals[2]!)}`
  const other = /(!=|<|>|\bgt\b|\blt\b)/.exec(text)
  if (other !== null) throw new SelectorError(`"${other[1]}" is not a valid label selector operator`)
  throw new SelectorError(
    `found '${text}', expected: a key, 'key=value', 'key in (a, b)', 'key notin (a, b)' or '!key'`,
  )
}

function key(text: string): string {
  if (!KEY.test(text)) throw new SelectorError(`"${text}" is not a label's key`)
  return text
}

function value(text: string): string {
  if (!VALUE.test(text)) throw new SelectorError(`"${text}" is not a label's value`)
  return text
}
