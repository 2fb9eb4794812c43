/**
 * References to environment variables inside words: `{%NAME%}`, then `{$NAME}`. A variable that isn't set is empty; what
 * is no reference (`{%NAME}`, `{$}`) stays as it is. Values may hold references themselves.
 */

export type Environment = Readonly<Record<string, string | undefined>>

/** References followed in one word: a variable that refers to itself would never end. */
const REFERENCES_MAX = 1000
/** Characters that one word can grow to. */
export const EXPANDED_LENGTH_MAX = 1 << 20

/** Why references can't be followed. */
export class EnvironmentError extends Error {
  readonly code = 'SHOAL_ENVIRONMENT'
  constructor(problem: string) {
    super(problem)
    this.name = 'EnvironmentError'
  }
}

/** The word with all references replaced. Throws EnvironmentError for references without an end. */
export function expandEnvironment(word: string, environment: Environment): string {
  if (!word.includes('{')) return word
  return replaceReferences(replaceReferences(word, '{%', '%}', environment), '{$', '}', environment)
}

function replaceReferences(word: string, opening: string, closing: string, environment: Environment): string {
  let text = word
  for (let replaced = 0; ; replaced++) {
    const start = text.indexOf(opening)
    if (start === -1) return text
    // The closing may share its percent sign with the opening: `{%}` has no name.
    const end = text.indexOf(closing, start)
    if (end <= start + opening.length) return text
    if (replaced >= REFERENCES_MAX)
      throw new EnvironmentError(`environment variables in '${abbreviate(word)}' have no end`)
    const name = text.slice(start + opening.length, end)
    const value = Object.hasOwn(environment, name) ? (environment[name] ?? '') : ''
    text = text.replaceAll(text.slice(start, end + closing.length), () => value)
    if (text.length > EXPANDED_LENGTH_MAX) {
      throw new EnvironmentError(`'${abbreviate(word)}' grows beyond ${EXPANDED_LENGTH_MAX} characters`)
    }
  }
}

function abbreviate(word: string): string {
  return word.length <= 40 ? word : `${word.slice(0, 40)}…`
}
