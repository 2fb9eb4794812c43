/**
 * Log lines as CoreDNS writes them: `[LEVEL] text`, or `[LEVEL] plugin/NAME: text`, on standard output without a
 * timestamp, one line per call whatever the text holds.
 */
import { type LineWriter, standardOutput } from './line-writer.ts'
import type { Logger } from './logger.ts'

let debugOn = false

/** Switches `[DEBUG]` lines of all loggers of this thread on or off (the `debug` plugin). */
export function setDebug(on: boolean): void {
  debugOn = on
}

/** Whether `[DEBUG]` lines are written, for callers whose text is expensive to make. */
export function debugEnabled(): boolean {
  return debugOn
}

/** Those that write to standard output, by plugin: thousands of blocks share them. */
const loggers = new Map<string | undefined, Logger>()

/** A logger of the server, or of one plugin. Doesn't block and doesn't throw; see `line-writer.ts` for what is dropped. */
export function createLogger(plugin?: string, out?: LineWriter): Logger {
  if (out !== undefined) return newLogger(plugin, out)
  let logger = loggers.get(plugin)
  if (logger === undefined) {
    logger = newLogger(plugin, standardOutput())
    loggers.set(plugin, logger)
  }
  return logger
}

function newLogger(plugin: string | undefined, out: LineWriter): Logger {
  const prefix = plugin === undefined ? '' : `plugin/${plugin}: `
  const put = (level: string, text: string) => out.line(`[${level}] ${prefix}${oneLine(text)}`)
  return {
    debug: (text) => {
      if (debugOn) put('DEBUG', text)
    },
    info: (text) => put('INFO', text),
    warning: (text) => put('WARNING', text),
    error: (text) => put('ERROR', text),
  }
}

/** The line `[FATAL] text` before the process ends with code 1; ending it is the caller's. */
export function logFatal(text: string, out: LineWriter = standardOutput()): void {
  out.line(`[FATAL] ${oneLine(text)}`)
}

// C0 and C1 control characters, DEL, and the separators some viewers take for a line's end.
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to replace
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g

/** Control characters as \DDD, so that text from the network can neither end a line nor steer a terminal. */
export function oneLine(text: string): string {
  return text.replace(CONTROL, (character) => `\\${String(character.charCodeAt(0)).padStart(3, '0')}`)
}
