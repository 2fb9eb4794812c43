/**
 * The command line, with the syntax of Go's flag package, as CoreDNS's: `-p 1053`, `-p=1053` and `--p 1053` are the same,
 * flags end at the first word that is none, or at `--`, and the last use of a flag counts.
 */
import { PORT_MAX } from './corefile/server-keys.ts'

export type UdpTransport = 'auto' | 'mmsg' | 'dgram'

export interface ServeOptions {
  /** Path of the Corefile, or `stdin`; undefined for `./Corefile`. */
  readonly conf: string | undefined
  /** For keys of plain DNS without a port. */
  readonly defaultPort: number
  readonly pidfile: string | undefined
  readonly quiet: boolean
  /** Worker processes; undefined: as many as the machine and the Corefile ask for. 1: everything in one process. */
  readonly processes: number | undefined
  /** Pool threads per process; undefined: chosen by the server. */
  readonly threads: number | undefined
  readonly udp: UdpTransport
}

export interface CheckOptions {
  readonly conf: string | undefined
  readonly defaultPort: number
  readonly json: boolean
}

export type Command =
  | { readonly command: 'serve'; readonly options: ServeOptions; readonly notes: readonly string[] }
  | { readonly command: 'check'; readonly options: CheckOptions }
  | { readonly command: 'version' | 'plugins' }
  | { readonly command: 'describe'; readonly options: Pick<ServeOptions, 'conf' | 'defaultPort'> }
  | { readonly command: 'help'; readonly usage: string }

/** Words that make no command. `message` is all that should be printed, to standard error. */
export class UsageError extends Error {
  readonly code = 'SHOAL_USAGE'
  readonly exitCode: 1 | 2

  constructor(message: string, exitCode: 1 | 2) {
    super(message)
    this.name = 'UsageError'
    this.exitCode = exitCode
  }
}

export const PROCESSES_MAX = 1024
/** As many as the shared memory between event loop and pool has rings for. */
export const THREADS_MAX = 64

interface Flag {
  readonly name: string
  readonly kind: 'string' | 'bool' | 'int'
  readonly usage: string
  readonly default?: string
  /** Values that a bool takes beside true and false. */
  readonly words?: readonly string[]
  /** Why the value can't be, or undefined. */
  readonly judge?: (value: string) => string | undefined
}

const PORT_FLAG = { kind: 'string', usage: 'Default port', default: '53', judge: range(0, PORT_MAX) } as const
const CONF_FLAG = { name: 'conf', kind: 'string', usage: 'Corefile to load, or stdin (default "Corefile")' } as const
const UDP_TRANSPORTS: readonly string[] = ['auto', 'mmsg', 'dgram'] satisfies readonly UdpTransport[]

const SERVE_FLAGS: readonly Flag[] = [
  CONF_FLAG,
  { name: 'dns.port', ...PORT_FLAG },
  { name: 'p', ...PORT_FLAG },
  { name: 'pidfile', kind: 'string', usage: 'Path to write pid file' },
  {
    name: 'plugins',
    kind: 'bool',
    usage: 'List installed plugins; -plugins=verbose: where the Corefile has its queries answered, and by what',
    words: ['verbose'],
  },
  {
    name: 'processes',
    kind: 'int',
    usage: 'Worker processes, 1 for a single process that does everything (default: one per processor)',
    judge: range(1, PROCESSES_MAX),
  },
  { name: 'quiet', kind: 'bool', usage: 'Quiet mode (no initialization output)' },
  {
    name: 'threads',
    kind: 'int',
    usage: 'Pool threads of each process (default: chosen by the number of processors)',
    judge: range(1, THREADS_MAX),
  },
  {
    name: 'udp',
    kind: 'string',
    usage: 'UDP transport: auto, mmsg (Linux, Node 26) or dgram',
    default: 'auto',
    judge: (value) => (UDP_TRANSPORTS.includes(value) ? undefined : `must be one of ${UDP_TRANSPORTS.join(', ')}`),
  },
  { name: 'version', kind: 'bool', usage: 'Show version' },
  { name: 'windows-service', kind: 'bool', usage: 'Accepted for CoreDNS command lines; has no effect' },
]

const CHECK_FLAGS: readonly Flag[] = [
  CONF_FLAG,
  { name: 'dns.port', ...PORT_FLAG },
  { name: 'json', kind: 'bool', usage: 'Print the result as JSON' },
  { name: 'p', ...PORT_FLAG },
]

/** `args`: the words behind the program's name. Throws UsageError. */
export function parseCommandLine(args: readonly string[]): Command {
  return args[0] === 'check' ? parseCheck(args.slice(1)) : parseServe(args)
}

function parseServe(args: readonly string[]): Command {
  const { values, rest, help } = parseFlags(args, SERVE_FLAGS, 'shoal')
  if (help !== undefined) return { command: 'help', usage: help }
  if (rest.length > 0) {
    const hint = rest.includes('check') ? " ('check' has to be the first word: shoal check -conf FILE)" : ''
    throw new UsageError(`extra command line arguments: [${rest.join(' ')}]${hint}`, 1)
  }
  if (values.get('version') === 'true') return { command: 'version' }
  if (values.get('plugins') === 'true') return { command: 'plugins' }
  if (values.get('plugins') === 'verbose') {
    return { command: 'describe', options: { conf: nonEmpty(values.get('conf')), defaultPort: portOf(values) } }
  }
  const notes =
    values.get('windows-service') === 'true'
      ? ['-windows-service has no effect: let a service manager start Shoal as a program']
      : []
  return {
    command: 'serve',
    options: {
      conf: nonEmpty(values.get('conf')),
      defaultPort: portOf(values),
      pidfile: nonEmpty(values.get('pidfile')),
      quiet: values.get('quiet') === 'true',
      processes: numberOf(values.get('processes')),
      threads: numberOf(values.get('threads')),
      udp: (values.get('udp') ?? 'auto') as UdpTransport,
    },
    notes,
  }
}

function parseCheck(args: readonly string[]): Command {
  const { values, rest, help } = parseFlags(args, CHECK_FLAGS, 'shoal check')
  if (help !== undefined) return { command: 'help', usage: help }
  if (rest.length > 0) {
    throw new UsageError(`extra command line arguments: [${rest.join(' ')}]\nUse: shoal check -conf ${rest[0]}`, 2)
  }
  const json = values.get('json') === 'true'
  return { command: 'check', options: { conf: nonEmpty(values.get('conf')), defaultPort: portOf(values), json } }
}

interface ParsedFlags {
  readonly values: ReadonlyMap<string, string>
  readonly rest: readonly string[]
  /** Usage text when it was asked for. */
  readonly help?: string
}

function parseFlags(args: readonly string[], flags: readonly Flag[], program: string): ParsedFlags {
  const values = new Map<string, string>()
  const fail = (problem: string): UsageError => new UsageError(`${problem}\n${usageOf(flags, program)}`, 2)
  for (let at = 0; at < args.length; at++) {
    const word = args[at]!
    if (!word.startsWith('-') || word === '-') return { values, rest: args.slice(at) }
    if (word === '--') return { values, rest: args.slice(at + 1) }
    const text = word.replace(/^--?/, '')
    if (text === '' || text.startsWith('-') || text.startsWith('=')) throw fail(`bad flag syntax: ${word}`)
    const equals = text.indexOf('=')
    const name = equals === -1 ? text : text.slice(0, equals)
    const flag = flags.find((each) => each.name === name)
    if (flag === undefined) {
      if (name === 'h' || name === 'help') return { values, rest: [], help: usageOf(flags, program) }
      throw fail(`flag provided but not defined: -${name}`)
    }
    let value: string | undefined = equals === -1 ? undefined : text.slice(equals + 1)
    if (flag.kind === 'bool') {
      const truth = flag.words?.includes(value ?? '') === true ? value : TRUTH.get(value ?? 'true')
      if (truth === undefined) throw fail(`invalid boolean value "${value}" for -${name}: parse error`)
      values.set(name, String(truth))
      continue
    }
    if (value === undefined) value = args[++at]
    if (value === undefined) throw fail(`flag needs an argument: -${name}`)
    if (flag.kind === 'int' && !/^[+-]?[0-9]{1,9}$/.test(value)) {
      throw fail(`invalid value "${value}" for flag -${name}: parse error`)
    }
    const problem = flag.judge?.(value)
    if (problem !== undefined) throw fail(`invalid value "${value}" for flag -${name}: ${problem}`)
    // CoreDNS's two names for the port are one variable.
    values.delete(name === 'p' ? 'dns.port' : name === 'dns.port' ? 'p' : name)
    values.set(name, value)
  }
  return { values, rest: [] }
}

/** Booleans as Go reads them. */
const TRUTH: ReadonlyMap<string, boolean> = new Map([
  ...['1', 't', 'T', 'true', 'TRUE', 'True'].map((text) => [text, true] as const),
  ...['0', 'f', 'F', 'false', 'FALSE', 'False'].map((text) => [text, false] as const),
])

function usageOf(flags: readonly Flag[], program: string): string {
  const rows = flags.map(({ name, kind, usage, default: value }) => {
    const type = kind === 'bool' ? '' : ` ${kind}`
    return `  -${name}${type}\n    \t${usage}${value === undefined ? '' : ` (default "${value}")`}`
  })
  return [`Usage of ${program}:`, ...rows].join('\n')
}

function range(min: number, max: number): (value: string) => string | undefined {
  return (value) => {
    const number = Number(value)
    const ok = /^\+?[0-9]{1,9}$/.test(value) && number >= min && number <= max
    return ok ? undefined : `must be a number from ${min} to ${max}`
  }
}

function portOf(values: ReadonlyMap<string, string>): number {
  return Number(values.get('p') ?? values.get('dns.port') ?? PORT_FLAG.default)
}

function numberOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text)
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text
}
