/** Random zones and the questions worth asking of them, from a seed. */

/** xorshift: the same numbers for the same seed on every machine. */
export function randomFrom(seed: number): (below: number) => number {
  let state = seed | 0 || 1
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

/** Lines of a master file for `apex` (with the final dot). Small label alphabet, so that names meet. */
export function generateZone(apex: string, seed: number, names = 60): string {
  const random = randomFrom(seed)
  const labels = ['a', 'b', 'c', 'd', 'e', '*', 'x', 'y']
  const lines = [
    `$ORIGIN ${apex}`,
    '$TTL 600',
    `@ SOA ns1 hostmaster ${1 + random(1000)} 7200 3600 1209600 120`,
    '@ NS ns1',
    '@ NS ns.elsewhere.test.',
    'ns1 A 192.0.2.1',
    'ns1 AAAA 2001:db8::1',
  ]
  const aliases = new Set<string>()
  const others = new Set<string>(['ns1', '@'])
  const owner = (): string => {
    const parts: string[] = []
    for (let i = random(4); i >= 0; i--) parts.push(labels[random(labels.length)]!)
    return parts.join('.')
  }
  const add = (line: string, name: string): void => {
    if (aliases.has(name)) return
    others.add(name)
    lines.push(line)
  }
  for (let i = 0; i < names; i++) {
    const name = owner()
    switch (random(12)) {
      case 0:
        if (!others.has(name) && !aliases.has(name)) {
          aliases.add(name)
          lines.push(`${name} CNAME ${random(4) === 0 ? 'target.elsewhere.test.' : owner()}`)
        }
        break
      case 1:
        if (!name.includes('*')) {
          add(`${name} NS ${random(2) === 0 ? `ns.${name}` : 'ns.elsewhere.test.'}`, name)
          lines.push(`ns.${name} A 192.0.2.${random(256)}`)
          others.add(`ns.${name}`)
          if (aliases.has(`ns.${name}`)) lines.pop()
        }
        break
      case 2:
        add(`${name} MX ${random(3) * 10} ${owner()}`, name)
        break
      case 3:
        add(`${name} TXT "t${random(1000)}"`, name)
        break
      case 4:
        add(`${name} AAAA 2001:db8::${random(0xffff).toString(16)}`, name)
        break
      case 5:
        add(`${name} SRV 0 ${random(9)} 53 ${owner()}`, name)
        break
      default:
        add(`${name} A 192.0.2.${random(256)}`, name)
    }
  }
  return `${lines.join('\n')}\n`
}

/** Names to ask in a zone: its owners, their parents and made-up children and siblings. Absolute, with the final dot. */
export function questionNames(zoneText: string, apex: string): string[] {
  const names = new Set<string>([apex])
  let previous = apex
  for (const line of zoneText.split('\n')) {
    if (line === '' || line.startsWith('$') || line.startsWith(';')) continue
    const first = /^\S+/.exec(line)?.[0]
    const name =
      first === undefined ? previous : first === '@' ? apex : first.endsWith('.') ? first : `${first}.${apex}`
    previous = name
    names.add(name)
  }
  for (const name of [...names]) {
    for (
      let parent = name;
      parent !== apex && parent.endsWith(`.${apex}`);
      parent = parent.slice(parent.indexOf('.') + 1)
    ) {
      if (!parent.includes('\\')) names.add(parent)
    }
    names.add(`nx.${name}`)
    if (name !== apex) names.add(`zz${name}`)
  }
  return [...names].filter((name) => name.length < 250 && !/[^.]{64}/.test(name.replace(/\\\d{3}|\\./g, 'x')))
}
