/** CPU time that this thread has had, in milliseconds, to 4 of them: what else the machine does adds nothing to it. */
export function cpuMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}
