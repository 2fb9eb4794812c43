/** The label of a pod: its address with dashes. `2001:db8::1` is `2001-db8--1`. */
export function podLabel(address: string): string {
  return address.toLowerCase().replaceAll(/[.:]/g, '-')
}
