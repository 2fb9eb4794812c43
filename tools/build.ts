/**
 * Writes the package's JavaScript to `dist`: the modules of `src` in one file, `shoal.js`, for a process that loads 80 modules
 * apiece takes twice as long to start (docs/decisions/0013), and beside it a few lines for each entry. Packages stay outside.
 * The declarations are tsc's.
 */
import { join } from 'node:path'
import { type Plugin, rolldown } from 'rolldown'

const ROOT = join(import.meta.dirname, '..')
/** What is run or imported by its name: `src/entries.ts`, package.json. */
const ENTRIES = ['main', 'plugin-api', 'worker/main', 'worker/local', 'pool/serve']
/** Must stand at the top of `dist`: it has `entries.ts` and what looks for package.json. */
const CORE = 'shoal'

/**
 * What a module imports from Node's own is taken by name: importing it would make its ES namespace, which runs the getter of
 * each export (that of node:fs loads streams). What is imported when it is needed is a function of the same file.
 */
const cheapImports: Plugin = {
  name: 'cheap-imports',
  transform: (code) =>
    code
      .replace(/^import (?!type )(\w+|\{[^}]+\}) from ('node:[^']+')$/gm, (_, names: string, module: string) => {
        const values = names.replace(/\btype \w+,?/g, '').replaceAll(' as ', ': ')
        return `const ${values} = process.getBuiltinModule(${module})`
      })
      .replace(/(?<!typeof )\bimport\(('\.[^']+')\)/g, 'Promise.resolve().then(() => require($1))'),
  // V8 keeps a text of ASCII alone in half the memory, and reads it faster.
  generateBundle(_options, files) {
    for (const file of Object.values(files)) {
      if (file.type !== 'chunk') continue
      file.code = file.code.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    }
  },
}

const bundle = await rolldown({
  cwd: ROOT,
  input: Object.fromEntries(ENTRIES.map((name) => [name, `src/${name}.ts`])),
  platform: 'node',
  external: /^[^./]/,
  plugins: [cheapImports],
})
await bundle.write({
  dir: 'dist',
  format: 'esm',
  comments: false,
  entryFileNames: '[name].js',
  chunkFileNames: '[name].js',
  // A module runs when it is imported, not when its file is loaded.
  strictExecutionOrder: true,
  codeSplitting: { groups: [{ name: CORE, test: /src\// }] },
})
