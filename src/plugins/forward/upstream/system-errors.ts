/** Errors of the system's sockets in the words of Go's net package, which log searches and dashboards know. */
const SYSTEM_ERRORS: ReadonlyMap<string, string> = new Map([
  ['ECONNREFUSED', 'connection refused'],
  ['ECONNRESET', 'connection reset by peer'],
  ['EPIPE', 'broken pipe'],
  ['ENETUNREACH', 'network is unreachable'],
  ['EHOSTUNREACH', 'no route to host'],
  ['EADDRNOTAVAIL', 'cannot assign requested address'],
  ['EMFILE', 'too many open files'],
  ['ETIMEDOUT', 'connection timed out'],
  ['EACCES', 'permission denied'],
  ['EPERM', 'operation not permitted'],
])

/** `read: connection refused`: what failed, and why. */
export function systemErrorText(operation: string, error: Error): string {
  const { code } = error as NodeJS.ErrnoException
  const text = code === undefined ? undefined : SYSTEM_ERRORS.get(code)
  return text === undefined ? error.message : `${operation}: ${text}`
}
