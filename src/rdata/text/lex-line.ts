/** Tokens of a text that stands alone, outside any file: an rdata, or one record. */
import { RdataError } from '../rdata-error.ts'
import { ENTRY_COMPLETE, LEX_NO_PAREN, LEX_NO_QUOTE, LEX_STRAY_PAREN, Lexer } from './lexer.ts'
import type { TokenList } from './token-list.ts'

/**
 * Splits the text into `tokens`; comments, quotes and parentheses as in a master file (RFC 1035 section 5.1), line breaks
 * outside parentheses not taken. Throws RdataError.
 */
export function lexLine(text: string, tokens: TokenList): void {
  const source = Buffer.from(text, 'utf8')
  const lexer = new Lexer(tokens)
  const outcome = lexer.entry(source, 0, source.length, true)
  if (outcome === LEX_NO_QUOTE) throw new RdataError('a quote is not closed')
  if (outcome === LEX_NO_PAREN) throw new RdataError('a parenthesis is not closed')
  if (outcome === LEX_STRAY_PAREN) throw new RdataError('a closing parenthesis without an opening one')
  if (outcome !== ENTRY_COMPLETE) throw new RdataError('the text has too many parts')
  for (let at = lexer.at; at < source.length; at++) {
    if (source[at]! > 0x20) throw new RdataError('the text goes on after a line break')
  }
}
