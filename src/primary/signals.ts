/** Signals as CoreDNS (caddy) takes them. */
import { createLogger } from '../observe/log.ts'
import { EXIT_FORCED, EXIT_OK, type Server, SIGNAL } from './server.ts'

export interface Signals {
  /** From now on signals reach the server; those that came before end the process at once. */
  attach(server: Server): void
}

/**
 *   SIGTERM   lameduck, drain, exit 0
 *   SIGINT    lameduck, exit 0; a second one: exit 2 at once
 *   SIGQUIT   exit 0 at once
 *   SIGUSR1   reload
 *   SIGHUP    nothing
 *   SIGUSR2   nothing: CoreDNS would replace its binary
 */
export function watchSignals(exit: (code: number) => void): Signals {
  const log = createLogger()
  let server: Server | undefined
  process.on('SIGTERM', () => {
    log.info('SIGTERM: Shutting down servers then terminating')
    if (server === undefined) exit(EXIT_OK)
    else void server.shutDown()
  })
  process.on('SIGINT', () => {
    if (server?.isStopping === true) {
      log.info('SIGINT: Force quit')
      exit(EXIT_FORCED)
      return
    }
    log.info('SIGINT: Shutting down')
    if (server === undefined) exit(EXIT_OK)
    else void server.quit()
  })
  process.on('SIGQUIT', () => {
    log.info('SIGQUIT: Quitting process immediately')
    exit(EXIT_OK)
  })
  process.on('SIGUSR1', () => {
    log.info('SIGUSR1: Reloading')
    void server?.reload(SIGNAL)
  })
  process.on('SIGHUP', () => {})
  process.on('SIGUSR2', () => log.warning('SIGUSR2: not supported; start the new version beside this one instead'))
  return {
    attach(attached) {
      server = attached
    },
  }
}
