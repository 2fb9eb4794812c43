/** Everything that is wrong with a zone file, for `shoal check`: each problem with its line and column. */
import type { Problem } from '../../corefile/parse-context.ts'
import { readZoneFile, type ZoneFileOptions } from '../../rdata/zone-file/zone-file.ts'
import type { ZoneFileError } from '../../rdata/zone-file/zone-file-error.ts'
import { equalNames, textToName } from '../../wire/name.ts'

const TYPE_NS = 2
const TYPE_SOA = 6

/** Reads the file as the server would, and on after an error. */
export async function* checkZone(path: string, apex: string): AsyncGenerator<Problem> {
  const found: Problem[] = []
  const problem =
    (about: { readonly warning?: boolean }) =>
    ({ at, problem: text, hint }: ZoneFileError): void => {
      found.push({ at, problem: text, ...(hint === undefined ? {} : { hint }), ...about })
    }
  const options: ZoneFileOptions = { zone: apex, onError: problem({}), onWarning: problem({ warning: true }) }
  const start = { file: path, line: 1, column: 1 }
  const name = textToName(apex)
  let hasSoa = false
  let hasNs = false
  try {
    for await (const slice of readZoneFile(path, options)) {
      for (let i = 0; i < slice.count; i++) {
        const type = slice.types[i]
        if ((type !== TYPE_SOA && type !== TYPE_NS) || !equalNames(slice.owner(i), 0, name, 0)) continue
        if (type === TYPE_SOA) hasSoa = true
        else hasNs = true
      }
      yield* found.splice(0)
    }
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException
    // The server starts without a file and waits for it.
    yield { at: start, problem: message, ...(code === 'ENOENT' ? { warning: true } : {}) }
    return
  }
  yield* found
  if (!hasSoa)
    yield {
      at: start,
      problem: `no SOA record for origin ${apex}`,
      hint: `${apex} 3600 IN SOA ns.${apex} admin.${apex} 1 7200 3600 1209600 3600`,
    }
  else if (!hasNs) yield { at: start, problem: `no NS record for origin ${apex}`, warning: true }
}
