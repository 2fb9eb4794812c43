import { VERSION } from '../../version.ts'

/** `Shoal-1.2.3`: what `version.bind.` answers unless the Corefile says something else. */
export const VERSION_DEFAULT: string = `Shoal-${VERSION}`

export const AUTHORS_DEFAULT: readonly string[] = ['the Shoal authors']
