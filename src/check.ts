/**
 * `shoal check`: tells all that is wrong with a Corefile and the files it names, without serving it. It opens no socket,
 * writes no file and asks nobody. docs/command-line.md describes both forms of the output.
 */
import type { CheckOptions } from './command-line.ts'
import type { Position } from './corefile/corefile-error.ts'
import type { Problem } from './corefile/parse-context.ts'
import { LineFinder, printProblem, type ReportedProblem, sortProblems } from './corefile/report.ts'
import { type LoadedCorefile, loadCorefile } from './plugins/load-corefile.ts'

export interface CheckResult {
  /** No errors; there may be warnings. */
  readonly ok: boolean
  readonly corefile: string
  readonly blocks: number
  readonly listeners: readonly { readonly server: string; readonly zones: readonly string[] }[]
  /** By file and line, the Corefile's first. */
  readonly problems: readonly ReportedProblem[]
}

/** Blocks that name the same file would tell its problems once each. */
function withoutRepeats(problems: readonly ReportedProblem[]): ReportedProblem[] {
  return [...new Map(problems.map((problem) => [JSON.stringify(problem), problem])).values()]
}

interface PluginProblem {
  readonly plugin: string
  readonly problem: Problem
}

/** Problems that one plugin tells about the files it reads. */
const PLUGIN_PROBLEMS_MAX = 1000

export async function check(options: CheckOptions): Promise<CheckResult> {
  const loaded = await loadCorefile(options)
  const lines = new LineFinder()
  if (loaded.text !== undefined) lines.add(loaded.file, loaded.text)
  const report = (
    severity: ReportedProblem['severity'],
    { file, line, column }: Position,
    problem: string,
    more: { readonly plugin?: string | undefined; readonly hint?: string | undefined } = {},
  ): ReportedProblem => {
    const read = lines.find({ file, line, column })
    return {
      severity,
      file,
      line,
      column,
      ...(more.plugin === undefined ? {} : { plugin: more.plugin }),
      problem,
      ...(read === undefined ? {} : { read }),
      ...(more.hint === undefined || more.hint === '' ? {} : { works: more.hint }),
    }
  }
  const problems = [
    ...loaded.errors.map((error) => report('error', error.at, error.problem, error)),
    ...loaded.warnings.map(({ at, problem }) => report('warning', at, problem)),
  ]
  for await (const { plugin, problem: found } of pluginProblems(loaded)) {
    const { at, problem, hint, warning = false } = found
    problems.push(report(warning ? 'warning' : 'error', at, problem, { plugin, hint }))
  }
  return {
    ok: problems.every(({ severity }) => severity === 'warning'),
    corefile: loaded.file,
    blocks: loaded.blocks.length,
    listeners: (loaded.config?.listeners ?? []).map(({ server, zones }) => ({
      server,
      zones: zones.map(({ zone }) => zone),
    })),
    problems: sortProblems(withoutRepeats(problems), loaded.file),
  }
}

/** What the plugins say about the files that their options name. */
async function* pluginProblems({ blocks, plugins }: LoadedCorefile): AsyncGenerator<PluginProblem> {
  for (const block of blocks) {
    for (const { name, options } of block.plugins) {
      const plugin = await plugins.load(name)
      if (plugin.check === undefined) continue
      let count = 0
      try {
        for await (const problem of await plugin.check(options, { block })) {
          yield { plugin: name, problem }
          if (++count >= PLUGIN_PROBLEMS_MAX) break
        }
      } catch (error) {
        yield { plugin: name, problem: { at: block.at, problem: `the plugin failed while it checked: ${error}` } }
      }
    }
  }
}

export function printCheck(result: CheckResult): string {
  const errors = result.problems.filter(({ severity }) => severity === 'error').length
  const warnings = result.problems.length - errors
  const remarks = warnings === 0 ? '' : `, ${counted(warnings, 'warning')}`
  const verdict = result.ok
    ? `${result.corefile}: ok (${counted(result.blocks, 'server block')}, ${counted(result.listeners.length, 'listener')}${remarks})`
    : `${result.corefile}: ${counted(errors, 'error')}${remarks}`
  return [...result.problems.map(printProblem), verdict].join('\n')
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}
