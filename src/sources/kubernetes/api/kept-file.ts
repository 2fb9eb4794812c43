/** A file whose content may change while the server runs: tokens and certificates are replaced before they expire. */
import { readFile, stat } from 'node:fs/promises'

export class KeptFile {
  readonly path: string
  #stamp = ''
  #content: Buffer | undefined

  constructor(path: string) {
    this.path = path
  }

  /** The content now. Rejects when the file can't be read and never could. */
  async read(): Promise<Buffer> {
    try {
      const { mtimeNs, size, ino } = await stat(this.path, { bigint: true })
      const stamp = `${mtimeNs} ${size} ${ino}`
      if (this.#content === undefined || stamp !== this.#stamp) {
        this.#content = await readFile(this.path)
        this.#stamp = stamp
      }
      return this.#content
    } catch (error) {
      // While a mount is swapped the file may be missing for a moment.
      if (this.#content !== undefined) return this.#content
      throw error
    }
  }

  /** The next `read` looks into the file whatever its time says. */
  forget(): void {
    this.#stamp = ''
  }
}
