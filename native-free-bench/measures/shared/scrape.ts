/** Sums of a server's own counters, by family name; series whose labels have `only` in them count, or all. */
export async function scrape(address: string, adminPort: number): Promise<(family: string, only?: string) => number> {
  const text = await (await fetch(`http://${address}:${adminPort}/metrics`)).text()
  const lines = text.split('\n')
  return (family, only = '') =>
    lines
      .filter((line) => line.startsWith(`${family}{`) && line.includes(only))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
}
