/**
 * Metrics on their way up: pool threads → worker → primary, as prom-client's JSON, summed in the end. Counters never go
 * back: what a thread, a configuration or a process counted stays in the sum after it is gone.
 */
import { AggregatorRegistry, type Registry } from '../observe/prom-client.ts'

/** What `Registry.getMetricsAsJSON()` gives: the metrics of one registry. Plain data. */
export type Figures = readonly Metric[]

/** prom-client's `MetricObjectWithValues`, as far as sums need it. */
export interface Metric {
  readonly name: string
  readonly help: string
  readonly type: string | number
  readonly aggregator?: string
  readonly values: readonly object[]
}

/** Registry to plain figures. prom-client gives the type as text in JSON although its types say a number. */
export async function figuresOf(registry: Registry): Promise<Figures> {
  return (await registry.getMetricsAsJSON()) as unknown as Figures
}

/** One registry out of many, each metric by its own aggregator (sum unless it says otherwise). */
export function sumFigures(parts: readonly Figures[]): Registry {
  return AggregatorRegistry.aggregate(parts as object[])
}

/** Keeps the last figures of everyone who counts, and the sum of what the departed had counted. */
export class FigureLedger<Owner> {
  readonly #current = new Map<Owner, readonly Figures[]>()
  #departed: Figures = []

  /** The newest figures of a living owner. */
  note(owner: Owner, figures: readonly Figures[]): void {
    this.#current.set(owner, figures)
  }

  /** The owner is gone: its counters and histograms stay, its gauges vanish. `last`: newer figures than were noted. */
  retire(owner: Owner, last: readonly Figures[] | undefined = this.#current.get(owner)): Promise<void> {
    this.#current.delete(owner)
    if (last === undefined || last.length === 0) return Promise.resolve()
    const counted = last.map((figures) => figures.filter(isCumulative))
    // In turn, or one of two that retire at once would be lost.
    this.#retiring = this.#retiring.then(async () => {
      this.#departed = await figuresOf(sumFigures([this.#departed, ...counted]))
    })
    return this.#retiring
  }

  #retiring: Promise<void> = Promise.resolve()

  /** The departed and all that were noted. */
  async all(): Promise<readonly Figures[]> {
    await this.#retiring
    return [this.#departed, ...[...this.#current.values()].flat()]
  }
}

function isCumulative({ type }: Metric): boolean {
  return type === 'counter' || type === 'histogram'
}
