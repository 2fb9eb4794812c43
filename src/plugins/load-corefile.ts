/** The one way from a Corefile on disk to a ServerConfig, for the start, for reloads and for `shoal check`. */
import { CorefileError } from '../corefile/corefile-error.ts'
import { type LoadedConfig, loadServerConfig } from '../corefile/load-server-config.ts'
import type { PluginSet } from '../corefile/parse-context.ts'
import { defaultCorefile, readCorefile } from '../corefile/read-corefile.ts'
import { NO_SOURCE_IDS, type SourceIds } from '../corefile/source-ids.ts'
import { findPlugins } from './plugin-cfg.ts'

export interface LoadCorefileOptions {
  /** `-conf`: a path, or `stdin`; undefined for `./Corefile`. */
  readonly conf?: string | undefined
  readonly defaultPort?: number
  /** `LoadedConfig.sources` of the configuration before. */
  readonly previousSources?: SourceIds
  readonly generation?: number
}

export interface LoadedCorefile extends LoadedConfig {
  /** The Corefile as the operator named it, `Corefile` when none was found. */
  readonly file: string
  /** The Corefile's text, undefined when none was found or it couldn't be read. */
  readonly text: string | undefined
  readonly plugins: PluginSet
}

/**
 * Reads the Corefile and the plugin.cfg beside it, and what they name. Opens no socket and writes nothing. Rejects only
 * where Shoal itself is at fault; all that is wrong with the files is in `errors`, the first one as CoreDNS would say it.
 */
export async function loadCorefile(options: LoadCorefileOptions = {}): Promise<LoadedCorefile> {
  const { conf, defaultPort, previousSources = NO_SOURCE_IDS, generation = 1 } = options
  try {
    const corefile = await readCorefile(conf)
    const file = corefile?.file ?? defaultCorefile(0).file
    const { plugins, errors, warnings } = findPlugins(corefile?.folder ?? process.cwd())
    const loaded = await loadServerConfig({
      corefile,
      plugins,
      previousSources,
      generation,
      ...(defaultPort === undefined ? {} : { defaultPort }),
    })
    return {
      ...loaded,
      config: errors.length === 0 ? loaded.config : undefined,
      errors: [...errors, ...loaded.errors],
      warnings: [...warnings, ...loaded.warnings],
      file,
      text: corefile?.text,
      plugins,
    }
  } catch (error) {
    if (!(error instanceof CorefileError)) throw error
    const { plugins } = findPlugins(process.cwd())
    const nothing = { config: undefined, warnings: [], blocks: [], imported: [], sources: previousSources }
    return { ...nothing, errors: [error], file: conf ?? defaultCorefile(0).file, text: undefined, plugins }
  }
}
