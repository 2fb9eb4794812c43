/**
 * Which services have an address: for names of addresses (PTR), of which several services may have a part. A cluster has ten times as many
 * addresses as services, so those of IPv4 that one service has, nearly all, are in a table of numbers: 8 octets each, where a Map takes 80.
 *
 *   keys    address as a number      values  number of the service; 0 free, -1 was removed
 *
 * Open addressing, at most half full.
 */
import type { ServiceState } from '../model/cluster-model.ts'

const NONE: readonly ServiceState[] = []
const FREE = 0
const REMOVED = -1
const SLOTS_MIN = 64

export class AddressIndex {
  #keys = new Int32Array(SLOTS_MIN)
  #values = new Int32Array(SLOTS_MIN)
  /** Slots that aren't free. */
  #used = 0
  /** Services by number, from 1, with how many addresses each has in the table; numbers that are free again. */
  readonly #states: (ServiceState | undefined)[] = [undefined]
  readonly #numbers = new Map<ServiceState, { readonly number: number; count: number }>()
  readonly #freeNumbers: number[] = []
  /** IPv6 addresses, and those that several services have. By address as octets (latin1). */
  readonly #others = new Map<string, readonly ServiceState[]>()

  at(address: string): readonly ServiceState[] {
    const others = this.#others.get(address)
    if (others !== undefined) return others
    const slot = address.length === 4 ? this.#find(keyOf(address)) : -1
    return slot < 0 ? NONE : [this.#states[this.#values[slot]!]!]
  }

  /** Whether the service is the only one that has the address now. */
  add(address: string, state: ServiceState): boolean {
    const known = this.at(address)
    if (known.includes(state)) return known.length === 1
    if (known.length === 0 && address.length === 4) this.#put(keyOf(address), state)
    else {
      if (known.length === 1) this.#take(address)
      this.#others.set(address, [...known, state])
    }
    return known.length === 0
  }

  remove(address: string, state: ServiceState): void {
    const left = this.at(address).filter((each) => each !== state)
    this.#take(address)
    if (left.length === 0) this.#others.delete(address)
    else this.#others.set(address, left)
  }

  clear(): void {
    this.#keys = new Int32Array(SLOTS_MIN)
    this.#values = new Int32Array(SLOTS_MIN)
    this.#used = 0
    this.#states.length = 1
    this.#numbers.clear()
    this.#freeNumbers.length = 0
    this.#others.clear()
  }

  /** The slot of the address, or -1. */
  #find(key: number): number {
    const mask = this.#keys.length - 1
    for (let slot = hash(key) & mask; this.#values[slot] !== FREE; slot = (slot + 1) & mask) {
      if (this.#keys[slot] === key && this.#values[slot] !== REMOVED) return slot
    }
    return -1
  }

  #put(key: number, state: ServiceState): void {
    if (2 * (this.#used + 1) > this.#keys.length) this.#grow()
    this.#insert(key, this.#numberOf(state))
  }

  #insert(key: number, value: number): void {
    const mask = this.#keys.length - 1
    let slot = hash(key) & mask
    while (this.#values[slot]! > FREE) slot = (slot + 1) & mask
    if (this.#values[slot] === FREE) this.#used++
    this.#keys[slot] = key
    this.#values[slot] = value
  }

  /** Takes an address out of the table, if it is there. */
  #take(address: string): void {
    const slot = address.length === 4 ? this.#find(keyOf(address)) : -1
    if (slot < 0) return
    const number = this.#values[slot]!
    this.#values[slot] = REMOVED
    const state = this.#states[number]!
    const about = this.#numbers.get(state)!
    about.count--
    if (about.count > 0) return
    this.#numbers.delete(state)
    this.#states[number] = undefined
    this.#freeNumbers.push(number)
  }

  #numberOf(state: ServiceState): number {
    const known = this.#numbers.get(state)
    if (known !== undefined) {
      known.count++
      return known.number
    }
    const number = this.#freeNumbers.pop() ?? this.#states.length
    this.#states[number] = state
    this.#numbers.set(state, { number, count: 1 })
    return number
  }

  #grow(): void {
    const keys = this.#keys
    const values = this.#values
    let live = 0
    for (const value of values) if (value > FREE) live++
    let slots = SLOTS_MIN
    // Room for as much again, so that growing is rare.
    while (slots < 3 * (live + 1)) slots *= 2
    this.#keys = new Int32Array(slots)
    this.#values = new Int32Array(slots)
    this.#used = 0
    for (const [slot, value] of values.entries()) if (value > FREE) this.#insert(keys[slot]!, value)
  }
}

function keyOf(address: string): number {
  return (
    (address.charCodeAt(0) << 24) | (address.charCodeAt(1) << 16) | (address.charCodeAt(2) << 8) | address.charCodeAt(3)
  )
}

function hash(key: number): number {
  const mixed = Math.imul(key ^ (key >>> 16), 0x45d9f3b)
  return mixed ^ (mixed >>> 16)
}
