/** Reads the command line and starts what it asks for. */
import { parseCommandLine, UsageError } from './command-line.ts'

async function main(): Promise<void> {
  const parsed = parseCommandLine(process.argv.slice(2))
  switch (parsed.command) {
    case 'help':
      console.error(parsed.usage)
      return
    case 'version':
      for (const line of (await import('./version-lines.ts')).versionLines()) console.log(line)
      return
    case 'plugins':
      console.log((await import('./plugins/list-plugins.ts')).listPlugins().join('\n'))
      return
    case 'describe': {
      const { describe } = await import('./describe.ts')
      const { lines, ok } = await describe(parsed.options)
      console[ok ? 'log' : 'error'](lines.join('\n'))
      process.exitCode = ok ? 0 : 1
      return
    }
    case 'check': {
      const { check, printCheck } = await import('./check.ts')
      const result = await check(parsed.options)
      console.log(parsed.options.json ? JSON.stringify(result, undefined, 2) : printCheck(result))
      process.exitCode = result.ok ? 0 : 1
      return
    }
    case 'serve':
      for (const note of parsed.notes) console.error(note)
      await (await import('./primary/start.ts')).start(parsed.options)
  }
}

try {
  await main()
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  console.error(error.message)
  process.exitCode = error.exitCode
}
