/** `[LEVEL] text`, or `[LEVEL] plugin/NAME: text`, on standard output without a timestamp, as CoreDNS writes it. */
export interface Logger {
  debug(text: string): void
  info(text: string): void
  warning(text: string): void
  error(text: string): void
}
