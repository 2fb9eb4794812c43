/** The label under which a client's address is published; one for all spellings of it. */
import { addressText } from '../../../wire/address.ts'
import { podLabel } from './pod-label.ts'
import { packAddress } from './relative-records.ts'

/** Undefined for what is no address. */
export function clientLabel(address: string): string | undefined {
  const packed = packAddress(address.replace(/%.*$/, ''))
  return packed === undefined ? undefined : podLabel(addressText(Buffer.from(packed, 'latin1')))
}
