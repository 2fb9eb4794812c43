import { CorefileParser, type ParsedBlock, type ParseOptions } from '../../src/corefile/parse-corefile.ts'

/** All blocks of a Corefile, and what is to be told about it. */
export function parseCorefile(text: string, options: ParseOptions) {
  const parser = new CorefileParser(text, options)
  const blocks: ParsedBlock[] = []
  for (let block = parser.next(); block !== undefined; block = parser.next()) blocks.push(block)
  const { errors, warnings, imported } = parser
  return { blocks, errors, warnings, imported }
}
