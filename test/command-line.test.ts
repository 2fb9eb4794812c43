import assert from 'node:assert/strict'
import test from 'node:test'
import { type CheckOptions, parseCommandLine, type ServeOptions, UsageError } from '../src/command-line.ts'

const DEFAULTS: ServeOptions = {
  conf: undefined,
  defaultPort: 53,
  pidfile: undefined,
  quiet: false,
  processes: undefined,
  threads: undefined,
  udp: 'auto',
}

const serve: { title: string; args: string[]; want: Partial<ServeOptions> }[] = [
  { title: 'no words', args: [], want: {} },
  { title: 'a value in the next word', args: ['-conf', 'a', '-p', '1053'], want: { conf: 'a', defaultPort: 1053 } },
  { title: 'a value behind =', args: ['-conf=a=b', '-dns.port=1053'], want: { conf: 'a=b', defaultPort: 1053 } },
  { title: 'two dashes', args: ['--conf', 'a', '--p=54'], want: { conf: 'a', defaultPort: 54 } },
  { title: 'a value that looks like a flag', args: ['-conf', '-quiet'], want: { conf: '-quiet' } },
  {
    title: 'the last use counts, and -p and -dns.port are one',
    args: ['-p', '1', '-dns.port', '2'],
    want: { defaultPort: 2 },
  },
  { title: 'the other way round', args: ['-dns.port', '2', '-p', '1'], want: { defaultPort: 1 } },
  { title: 'port 0 lets the system choose', args: ['-p', '0'], want: { defaultPort: 0 } },
  { title: 'booleans', args: ['-quiet'], want: { quiet: true } },
  { title: 'booleans with a value', args: ['-quiet=T', '-quiet=0'], want: { quiet: false } },
  { title: 'an empty value is none', args: ['-conf', '', '-pidfile='], want: {} },
  {
    title: 'the rest',
    args: ['-pidfile', 'x', '-processes', '4', '-threads=2', '-udp', 'dgram'],
    want: { pidfile: 'x', processes: 4, threads: 2, udp: 'dgram' },
  },
  { title: '-- ends the flags', args: ['-quiet', '--'], want: { quiet: true } },
  { title: '-windows-service is accepted', args: ['-windows-service'], want: {} },
]
for (const { title, args, want } of serve) {
  test(`serve: ${title}`, () => {
    const parsed = parseCommandLine(args)
    assert.equal(parsed.command, 'serve')
    assert.deepEqual(parsed.command === 'serve' && parsed.options, { ...DEFAULTS, ...want })
  })
}

const check: { args: string[]; want: CheckOptions }[] = [
  { args: ['check'], want: { conf: undefined, defaultPort: 53, json: false } },
  { args: ['check', '-conf', 'a', '-json', '-p=54'], want: { conf: 'a', defaultPort: 54, json: true } },
]
for (const { args, want } of check) {
  test(args.join(' '), () => assert.deepEqual(parseCommandLine(args), { command: 'check', options: want }))
}

test('-version and -plugins', () => {
  assert.deepEqual(parseCommandLine(['-version']), { command: 'version' })
  assert.deepEqual(parseCommandLine(['-plugins', '-conf', 'x']), { command: 'plugins' })
  assert.deepEqual(parseCommandLine(['-conf', 'x', '-plugins=verbose', '-p', '5']), {
    command: 'describe',
    options: { conf: 'x', defaultPort: 5 },
  })
})

test('-h and -help give the usage', () => {
  for (const word of ['-h', '--help', '-help']) {
    const parsed = parseCommandLine([word])
    assert.ok(parsed.command === 'help' && parsed.usage.startsWith('Usage of shoal:\n  -conf string\n    \t'))
  }
  const parsed = parseCommandLine(['check', '-h'])
  assert.ok(parsed.command === 'help' && parsed.usage.startsWith('Usage of shoal check:'))
})

const refused: { args: string[]; exitCode: 1 | 2; first: string }[] = [
  { args: ['-foo'], exitCode: 2, first: 'flag provided but not defined: -foo' },
  { args: ['-foo=1'], exitCode: 2, first: 'flag provided but not defined: -foo' },
  { args: ['-__proto__'], exitCode: 2, first: 'flag provided but not defined: -__proto__' },
  { args: ['-json'], exitCode: 2, first: 'flag provided but not defined: -json' },
  { args: ['check', '-quiet'], exitCode: 2, first: 'flag provided but not defined: -quiet' },
  { args: ['-conf'], exitCode: 2, first: 'flag needs an argument: -conf' },
  { args: ['---x'], exitCode: 2, first: 'bad flag syntax: ---x' },
  { args: ['-=x'], exitCode: 2, first: 'bad flag syntax: -=x' },
  { args: ['--=x'], exitCode: 2, first: 'bad flag syntax: --=x' },
  { args: ['-quiet=x'], exitCode: 2, first: 'invalid boolean value "x" for -quiet: parse error' },
  { args: ['-processes', 'x'], exitCode: 2, first: 'invalid value "x" for flag -processes: parse error' },
  {
    args: ['-processes', '0'],
    exitCode: 2,
    first: 'invalid value "0" for flag -processes: must be a number from 1 to 1024',
  },
  {
    args: ['-threads', '-1'],
    exitCode: 2,
    first: 'invalid value "-1" for flag -threads: must be a number from 1 to 64',
  },
  { args: ['-p', '70000'], exitCode: 2, first: 'invalid value "70000" for flag -p: must be a number from 0 to 65535' },
  { args: ['-p', 'dns'], exitCode: 2, first: 'invalid value "dns" for flag -p: must be a number from 0 to 65535' },
  { args: ['-udp', 'tcp'], exitCode: 2, first: 'invalid value "tcp" for flag -udp: must be one of auto, mmsg, dgram' },
  { args: ['a', 'b'], exitCode: 1, first: 'extra command line arguments: [a b]' },
  { args: ['-quiet', '-', 'x'], exitCode: 1, first: 'extra command line arguments: [- x]' },
  { args: ['--', '-quiet'], exitCode: 1, first: 'extra command line arguments: [-quiet]' },
  {
    args: ['-quiet', 'check'],
    exitCode: 1,
    first: "extra command line arguments: [check] ('check' has to be the first word: shoal check -conf FILE)",
  },
  { args: ['check', 'Corefile'], exitCode: 2, first: 'extra command line arguments: [Corefile]' },
]
for (const { args, exitCode, first } of refused) {
  test(`error: ${args.join(' ')}`, () => {
    assert.throws(
      () => parseCommandLine(args),
      (error) => {
        assert.ok(error instanceof UsageError)
        assert.equal(error.message.split('\n', 1)[0], first)
        assert.equal(error.exitCode, exitCode)
        assert.equal(error.message.includes('Usage of'), exitCode === 2 && !first.startsWith('extra'))
        return true
      },
    )
  })
}
