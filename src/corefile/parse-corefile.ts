/**
 * A Corefile's structure: server blocks with their keys and directives, imports and environment variables expanded.
 *
 *   file      = { snippet | block | "import" TARGET }
 *   snippet   = "(NAME)" "{" words "}"
 *   block     = KEY [","] [KEY …] "{" directives "}"          a single block may leave out its braces
 *   directive = NAME args [ "{" properties "}" ]               the "{" stands on the directive's line
 *   property  = NAME args [ "{" properties "}" ]
 *
 * `import` puts the words of a snippet or of files in its own place, wherever a line starts. Every error is collected:
 * after one the parser goes on with the next line, so that `shoal check` tells all of them. What a directive means is
 * its plugin's.
 */
import { readFileSync, statSync } from 'node:fs'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { CorefileError, type Position, syntaxError } from './corefile-error.ts'
import type { Directive, Property, Token } from './directive.ts'
import { type Environment, EnvironmentError, expandEnvironment } from './environment.ts'
import { findFiles, isGlob } from './glob.ts'
import { TOKENS_MAX, TokenReader } from './token-reader.ts'
import { type SourceToken, scanTokens, TokenScanner } from './tokens.ts'

/** Times that snippets are put in place in one Corefile. */
export const SNIPPET_IMPORTS_MAX = 10_000
/** Times that files are read in. */
export const FILE_IMPORTS_MAX = 100_000
/** Blocks inside blocks; the deepest that a plugin knows is 2. */
export const NESTING_MAX = 32
/** Octets of a Corefile, and of each imported file. */
export const FILE_SIZE_MAX = 16 << 20
/** Errors told; behind so many the file is no Corefile. */
export const ERRORS_MAX = 1000

export interface ParsedBlock {
  readonly at: Position
  /** As written, without commas, environment variables expanded. */
  readonly keys: readonly Token[]
  readonly directives: readonly Directive[]
}

/** A remark that doesn't stop the start. */
export interface Remark {
  readonly at: Position
  readonly problem: string
}

export interface ParseOptions {
  /** Name for messages; imports are relative to its folder. */
  readonly file: string
  /** Folder that relative paths in `file` start from. */
  readonly workingFolder?: string
  readonly environment?: Environment
  /** The error for a directive that no plugin has, or undefined. */
  readonly judge?: (name: string, at: Position) => CorefileError | undefined
}

/**
 * Gives block by block: of thousands of blocks nobody need hold all words at once. Never throws for what the text says. Reads imported
 * files: blocks. Time is linear in the words after imports.
 */
export class CorefileParser {
  readonly #reader: TokenReader
  readonly #options: ParseOptions
  readonly #environment: Environment
  readonly #errors: CorefileError[] = []
  readonly #warnings: Remark[] = []
  readonly #snippets = new Map<string, readonly SourceToken[]>()
  readonly #files = new Map<string, readonly SourceToken[]>()
  /** Files by pattern: a pattern looks at the disk once, however often it is imported. */
  readonly #matches = new Map<string, readonly string[]>()
  #snippetImports = 0
  #fileImports = 0
  #gaveUp = false

  constructor(text: string, options: ParseOptions) {
    this.#reader = new TokenReader(new TokenScanner(text, options.file))
    this.#options = options
    this.#environment = options.environment ?? {}
  }

  /** Undefined at the end. */
  next(): ParsedBlock | undefined {
    while (this.#reader.peek() !== undefined) {
      const block = this.#parseBlock()
      if (block !== undefined) return block
    }
    return undefined
  }

  /** So far, in the order they were met. */
  get errors(): readonly CorefileError[] {
    return this.#errors
  }

  get warnings(): readonly Remark[] {
    return this.#warnings
  }

  /** Absolute paths of imported files, in order, without repeats. */
  get imported(): readonly string[] {
    const { workingFolder = '.' } = this.#options
    return [...this.#files.keys()].map((file) => resolve(workingFolder, file))
  }

  /** Undefined for what is no block to be served. */
  #parseBlock(): ParsedBlock | undefined {
    const first = this.#reader.peek()!
    if (isClosing(first)) {
      this.#skipSurplusBrace()
      return undefined
    }
    const keys = this.#parseKeys()
    const snippet = keys.length === 1 ? snippetName(keys[0]!.text) : undefined
    if (snippet !== undefined) {
      this.#parseSnippet(snippet, keys[0]!.at)
      return undefined
    }
    const opening = this.#reader.peek()
    const directives = this.#parseDirectives(keys)
    if (keys.length > 0) return { at: keys[0]!.at, keys, directives }
    if (opening !== undefined) {
      this.#warnings.push({ at: first.at, problem: 'a server block without a key is not served' })
    }
    return undefined
  }

  /** CoreDNS takes the brace for the key of another block; the server starts with it, but only at the end of a file. */
  #skipSurplusBrace(): void {
    const brace = this.#reader.next()!
    const problem = "a surplus '}': no block is open here"
    if (this.#reader.peek() === undefined) this.#warnings.push({ at: brace.at, problem })
    else this.#error(new CorefileError(brace.at, problem))
  }

  /** The block's keys, up to its `{` or the end of their line. */
  #parseKeys(): Token[] {
    const reader = this.#reader
    const keys: Token[] = []
    let another = false
    for (;;) {
      const token = reader.peek()
      if (token === undefined) {
        if (another) this.#error(this.#unexpectedEnd())
        return keys
      }
      if (isImport(token) && token.startsLine) {
        this.#import()
        continue
      }
      if (isOpening(token)) {
        if (another) {
          this.#error(
            new CorefileError(
              token.at,
              "Expected another address but had '{' - check for extra comma",
              `${keys.map((key) => key.text).join(', ')} {`,
            ),
          )
        }
        return keys
      }
      reader.next()
      const word = this.#expand(token)
      if (isClosing(token)) {
        this.#error(new CorefileError(token.at, "Unexpected '}' among the keys of a server block"))
      } else if (word !== '') {
        another = word.endsWith(',')
        keys.push({ text: another ? word.slice(0, -1) : word, at: token.at })
      }
      const next = reader.peek()
      if (next !== undefined && !another && next.startsLine) return keys
    }
  }

  #parseSnippet(name: string, at: Position): void {
    const reader = this.#reader
    const opening = reader.peek()
    if (opening === undefined || !isOpening(opening)) {
      this.#error(syntaxError(opening?.at ?? at, opening?.text ?? `(${name})`, '{', `(${name}) {`))
      this.#skipLine()
      return
    }
    reader.next()
    const body: SourceToken[] = []
    let depth = 1
    for (;;) {
      const token = reader.next()
      if (token === undefined) {
        this.#error(syntaxError(at, reader.last!.text, '}', 'a } on a line of its own at the end of the snippet'))
        break
      }
      if (isClosing(token) && --depth === 0) break
      if (isOpening(token)) depth++
      body.push(body.length === 0 ? { ...token, startsLine: true } : token)
    }
    if (this.#snippets.has(name)) {
      this.#error(new CorefileError(at, `redeclaration of previously declared snippet ${name}`, `(${name}2) {`))
      return
    }
    const itself = body.find(
      (token, i) => isImport(token) && token.startsLine && this.#importTarget(body[i + 1]) === name,
    )
    if (itself !== undefined) {
      this.#error(
        new CorefileError(
          itself.at,
          `the snippet ${name} imports itself: maximum snippet import depth (${SNIPPET_IMPORTS_MAX}) exceeded`,
        ),
      )
      return
    }
    this.#snippets.set(name, body)
  }

  #importTarget(token: SourceToken | undefined): string | undefined {
    return token === undefined ? undefined : this.#expand(token, true)
  }

  #parseDirectives(keys: readonly Token[]): Directive[] {
    const reader = this.#reader
    const directives: Directive[] = []
    const opening = reader.peek()
    const braces = opening !== undefined && isOpening(opening)
    if (braces) reader.next()
    for (;;) {
      const token = reader.peek()
      if (token === undefined) break
      if (isClosing(token)) {
        if (!braces) {
          this.#skipSurplusBrace()
          return directives
        }
        reader.next()
        return directives
      }
      if (isImport(token)) this.#import()
      else {
        const directive = this.#parseDirective()
        if (directive !== undefined) directives.push(directive)
      }
    }
    if (!braces) return directives
    // CoreDNS starts when the file's last word is the brace of some block, whichever it was meant for.
    const last = reader.last!
    if (isClosing(last)) {
      this.#warnings.push({ at: last.at, problem: `the server block ${keys[0]?.text ?? ''} has no '}' at its end` })
    } else this.#error(syntaxError(last.at, last.text, '}', 'a } on a line of its own at the end of the block'))
    return directives
  }

  /** One directive with its block. Undefined for one that no plugin has. */
  #parseDirective(): Directive | undefined {
    const reader = this.#reader
    const nameToken = reader.next()!
    const { at } = nameToken
    const name = this.#expand(nameToken)
    const unknown = isOpening(nameToken)
      ? new CorefileError(at, "Unknown directive '{'", 'a directive and its { on one line')
      : this.#options.judge?.(name, at)
    if (unknown !== undefined) this.#error(unknown)
    if (isOpening(nameToken)) {
      this.#parseProperties(nameToken, 1)
      return undefined
    }
    const { args, block } = this.#parseLine(name, 0)
    this.#expectLineEnd()
    if (unknown !== undefined) return undefined
    return block === undefined ? { name, at, args } : { name, at, args, block }
  }

  /** The words behind a name up to the end of its line, and its block. `depth`: blocks around it. */
  #parseLine(name: string, depth: number): { args: Token[]; block?: Property[] } {
    const reader = this.#reader
    const args: Token[] = []
    for (;;) {
      const token = reader.peekOnLine()
      if (token === undefined) break
      if (isOpening(token)) {
        reader.next()
        return { args, block: this.#parseProperties(token, depth + 1) }
      }
      if (isClosing(token)) return { args }
      reader.next()
      args.push({ text: this.#expand(token), at: token.at })
    }
    const below = reader.peek()
    if (below === undefined || !isOpening(below)) return { args }
    this.#error(
      new CorefileError(
        below.at,
        `the '{' of '${name}' has to stand on its line`,
        `${[name, ...args.map((arg) => arg.text)].join(' ')} {`,
      ),
    )
    reader.next()
    return { args, block: this.#parseProperties(below, depth + 1) }
  }

  /** What stands between a `{` that was read and its `}`. */
  #parseProperties(opening: SourceToken, depth: number): Property[] {
    const reader = this.#reader
    const properties: Property[] = []
    if (depth > NESTING_MAX) {
      this.#error(new CorefileError(opening.at, `more than ${NESTING_MAX} blocks inside each other`))
      this.#skipBlock()
      return properties
    }
    for (;;) {
      const token = reader.next()
      if (token === undefined) {
        this.#error(new CorefileError(opening.at, "Unexpected EOF: no '}' for the '{' of this line"))
        return properties
      }
      if (isClosing(token)) return properties
      if (isImport(token) && token.startsLine) {
        this.#importAfter(token)
        continue
      }
      if (isOpening(token)) {
        this.#error(new CorefileError(token.at, "Unexpected token '{', expecting argument"))
        this.#parseProperties(token, depth + 1)
        continue
      }
      const name = this.#expand(token)
      const { args, block } = this.#parseLine(name, depth)
      properties.push(block === undefined ? { name, at: token.at, args } : { name, at: token.at, args, block })
      const closing = reader.peekOnLine()
      if (closing !== undefined && isClosing(closing) && args.length > 0 && block === undefined) {
        this.#warnings.push({
          at: closing.at,
          problem: `the '}' behind '${name}' should stand on a line of its own: CoreDNS takes it for a word of '${name}'`,
        })
      } else if (block !== undefined && closing !== undefined && !isClosing(closing)) {
        this.#error(new CorefileError(closing.at, `Unexpected token '${closing.text}' behind '}': start a new line`))
        this.#skipLine()
      }
    }
  }

  /** Behind a directive only its line's end may come. */
  #expectLineEnd(): void {
    const token = this.#reader.peekOnLine()
    if (token === undefined) return
    if (isClosing(token)) {
      this.#error(
        new CorefileError(
          token.at,
          "Unexpected '}' because no matching opening brace: the '}' of a server block needs a line of its own",
        ),
      )
      return
    }
    this.#error(new CorefileError(token.at, `Unexpected token '${token.text}' behind '}': start a new line`))
    this.#skipLine()
  }

  #import(): void {
    this.#importAfter(this.#reader.next()!)
  }

  /** Puts what the import names in its place. `keyword`: the word `import`, already read. */
  #importAfter(keyword: SourceToken): void {
    const reader = this.#reader
    const targetToken = reader.peekOnLine()
    if (targetToken === undefined) {
      this.#error(
        new CorefileError(
          keyword.at,
          "Wrong argument count or unexpected line ending after 'import'",
          'import conf.d/*.conf',
        ),
      )
      return
    }
    reader.next()
    const { at } = targetToken
    const target = this.#expand(targetToken)
    if (target === '') {
      this.#error(new CorefileError(at, 'Import requires a non-empty filepath', 'import conf.d/*.conf'))
      return
    }
    const surplus = reader.peekOnLine()
    if (surplus !== undefined) {
      this.#error(
        new CorefileError(surplus.at, 'Import takes only one argument (glob pattern or file)', `import ${target}`),
      )
      this.#skipLine()
      return
    }
    const snippet = this.#snippets.get(target)
    if (reader.isExhausted) this.#giveUp(at, `imports bring in more than ${TOKENS_MAX} words`)
    else if (snippet === undefined) this.#importFiles(target, at)
    else if (++this.#snippetImports <= SNIPPET_IMPORTS_MAX) reader.insert(snippet)
    else this.#giveUp(at, `maximum snippet import depth (${SNIPPET_IMPORTS_MAX}) exceeded`)
  }

  #importFiles(target: string, at: Position): void {
    if (++this.#fileImports > FILE_IMPORTS_MAX) {
      this.#giveUp(at, `maximum file import depth (${FILE_IMPORTS_MAX}) exceeded`)
      return
    }
    const { workingFolder = '.' } = this.#options
    const folder = resolve(workingFolder, dirname(at.file))
    const pattern = isAbsolute(target) ? target : join(folder, target)
    const stars = pattern.split('*').length - 1
    const marks = pattern.split('?').length - 1
    if (stars > 1 || marks > 1 || (pattern.includes('[') && pattern.includes(']'))) {
      this.#error(
        new CorefileError(
          at,
          `Glob pattern may only contain one wildcard (*), but has others: ${pattern}`,
          'import conf.d/*.conf',
        ),
      )
      return
    }
    if (pattern.includes('[')) {
      this.#error(
        new CorefileError(
          at,
          `Failed to use import pattern ${target}: syntax error in pattern`,
          'import conf.d/*.conf',
        ),
      )
      return
    }
    let paths = this.#matches.get(pattern)
    if (paths === undefined) {
      paths = pattern.includes('\0') ? [] : findFiles(pattern)
      this.#matches.set(pattern, paths)
    }
    if (paths.length === 0) {
      if (isGlob(pattern)) this.#warnings.push({ at, problem: `No files matching import glob pattern: ${target}` })
      else this.#error(new CorefileError(at, `File to import not found: ${target}`))
      return
    }
    const bodies: (readonly SourceToken[])[] = []
    for (const path of paths) {
      const body = this.#readFile(path, at)
      if (body !== undefined) bodies.push(body)
    }
    for (const body of bodies.reverse()) this.#reader.insert(body)
  }

  /** The file's words, read once however often it is imported. */
  #readFile(path: string, at: Position): readonly SourceToken[] | undefined {
    const known = this.#files.get(path)
    if (known !== undefined) return known
    try {
      const about = statSync(path)
      if (about.isDirectory()) throw new Error('is a directory')
      if (!about.isFile()) throw new Error('is not a regular file')
      if (about.size > FILE_SIZE_MAX) throw new Error(`is larger than ${FILE_SIZE_MAX} octets`)
      const tokens = scanTokens(readFileSync(path, 'utf8'), path)
      this.#files.set(path, tokens)
      return tokens
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      this.#error(
        new CorefileError(
          at,
          `Could not import ${path}: ${code === undefined ? message : (ERRNO_TEXT.get(code) ?? code)}`,
        ),
      )
      return undefined
    }
  }

  #expand(token: SourceToken, silent = false): string {
    try {
      return expandEnvironment(token.text, this.#environment)
    } catch (error) {
      if (!(error instanceof EnvironmentError)) throw error
      if (!silent) this.#error(new CorefileError(token.at, error.message))
      return ''
    }
  }

  /** Skips what is left of a line, except a brace that closes a block. */
  #skipLine(): void {
    for (;;) {
      const token = this.#reader.peekOnLine()
      if (token === undefined || isClosing(token)) return
      this.#reader.next()
    }
  }

  #skipBlock(): void {
    let depth = 1
    while (depth > 0) {
      const token = this.#reader.next()
      if (token === undefined) return
      if (isOpening(token)) depth++
      else if (isClosing(token)) depth--
    }
  }

  #unexpectedEnd(): CorefileError {
    return new CorefileError(this.#reader.last!.at, 'Unexpected EOF: another key has to follow the comma')
  }

  /** Ends the reading: whatever seems wrong from here on only follows from that. */
  #giveUp(at: Position, problem: string): void {
    this.#error(new CorefileError(at, problem))
    this.#gaveUp = true
    this.#reader.stop()
  }

  #error(error: CorefileError): void {
    if (this.#gaveUp) return
    this.#errors.push(error)
    if (this.#errors.length >= ERRORS_MAX) {
      this.#gaveUp = true
      this.#reader.stop()
    }
  }
}

const ERRNO_TEXT: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'no such file or directory'],
  ['EACCES', 'permission denied'],
  ['ELOOP', 'too many levels of symbolic links'],
])

function isOpening(token: SourceToken): boolean {
  return token.text === '{' && !token.quoted
}

function isClosing(token: SourceToken): boolean {
  return token.text === '}' && !token.quoted
}

function isImport(token: SourceToken): boolean {
  return token.text === 'import' && !token.quoted
}

/** A single key in parentheses names a snippet. */
function snippetName(key: string): string | undefined {
  return key.length >= 2 && key.startsWith('(') && key.endsWith(')') ? key.slice(1, -1) : undefined
}
