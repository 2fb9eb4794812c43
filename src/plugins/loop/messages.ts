/** What the primary part of `loop` and its handlers tell each other. Plain data. */

/** From the primary. */
export interface LoopState {
  /** Probe that is under way: absolute, lower-case. Undefined: none, and probes pass like any query. */
  readonly probe: string | undefined
  /** A loop is there, and forwarding is off. */
  readonly looped: boolean
}

/** From a handler: the probe came by. */
export interface ProbeSeen {
  readonly probe: string
  /** `127.0.0.1:40112`: who sent it. */
  readonly client: string
}
