/** Which threads stand behind the event loop where they share a core with it: docs/decisions/0017. */
import { constants, getPriority, setPriority } from 'node:os'

/** A ninth of the event loop's share when both want a core. */
export const NICENESS_BEHIND = 10

/**
 * Puts a thread of this process (0: the calling one) behind what the calling one is now. Only on Linux has a thread a niceness of its own;
 * elsewhere the process would get it. Throws where it isn't allowed.
 */
export function standBehind(thread: number): void {
  if (process.platform !== 'linux') return
  setPriority(thread, Math.min(getPriority() + NICENESS_BEHIND, constants.priority.PRIORITY_LOW))
}
