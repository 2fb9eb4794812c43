/**
 * Writes the package's JavaScript to `dist`: the modules of `src` in a few files, for a process that loads 80 modules apiece
 * takes twice as long to start (docs/decisions/0013). What all need is `shoal.js`; a plugin's part is loaded when a Corefile
 * names it. Packages stay outside. The declarations beside it are tsc's.
 */
import { join } from 'node:path'
import { rolldown } from 'rolldown'

const ROOT = join(import.meta.dirname, '..')
/** What is run or imported by its name: `src/entries.ts`, package.json. */
const ENTRIES = ['main', 'plugin-api', 'worker/main', 'worker/local', 'pool/serve']
/** Must stand at the top of `dist`: it has `entries.ts` and what looks for package.json. */
const CORE = 'shoal'
const PART = /src\/(plugin|source)s\/([^/]+)\//

const bundle = await rolldown({
  cwd: ROOT,
  input: Object.fromEntries(ENTRIES.map((name) => [name, `src/${name}.ts`])),
  platform: 'node',
  external: /^[^./]/,
  // The role of a process decides which modules it runs, so many of them are in a file that was loaded before.
  checks: { ineffectiveDynamicImport: false },
})
await bundle.write({
  dir: 'dist',
  format: 'esm',
  comments: false,
  entryFileNames: '[name].js',
  chunkFileNames: ({ name }) => (name === CORE ? '[name].js' : 'parts/[name].js'),
  // A module runs when it is imported, not when its file is loaded.
  strictExecutionOrder: true,
  codeSplitting: {
    groups: [
      { name: CORE, test: /src\/(?!plugins\/.*\/|sources\/)/, priority: 1 },
      { name: partName, test: PART, debugName: 'parts' },
    ],
  },
})

/** `src/plugins/cache/gate.ts` is in `parts/plugin-cache.js`. */
function partName(id: string): string {
  const [, kind, name] = PART.exec(id)!
  return `${kind}-${name}`
}
