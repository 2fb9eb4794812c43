/**
 * Order of plain and atomic accesses. JavaScript promises nothing for plain accesses that race with atomic ones; this is
 * what V8's code does with them.
 *
 * x86-64 keeps loads in order among themselves and stores too. On ARM a plain load may be done after the Atomics.load
 * (ldar) that follows it, and a plain store before the Atomics.store (stlr) that precedes it. So there the reader ends
 * with an Atomics.add of 0: its store half is a release, done after the plain loads, and it succeeds only if the version
 * has not changed in between. The writer follows its store of the odd version with a load: stlr, ldar and what comes
 * after them stay in this order.
 */
const IS_STRONGLY_ORDERED = process.arch === 'x64' || process.arch === 'ia32'

/** A version, read before the plain loads that it covers. */
export function loadVersion(words: Int32Array, at: number): number {
  return Atomics.load(words, at)
}

/** The version again, read after the plain loads that it covers. */
export function versionAfterReads(words: Int32Array, at: number): number {
  return IS_STRONGLY_ORDERED ? Atomics.load(words, at) : Atomics.add(words, at, 0)
}

/** Writer: changes the version; plain stores that follow become visible after it. */
export function storeVersionBeforeWrites(words: Int32Array, at: number, version: number): void {
  Atomics.store(words, at, version)
  if (!IS_STRONGLY_ORDERED) Atomics.load(words, at)
}

/** Writer: changes the version; plain stores before it become visible before it. */
export function storeVersionAfterWrites(words: Int32Array, at: number, version: number): void {
  Atomics.store(words, at, version)
}
