/** What the suite uses of autocannon, which brings no types. */
declare module 'autocannon' {
  interface Result {
    readonly '2xx': number
    /** Milliseconds. */
    readonly latency: { readonly p50: number; readonly p99: number }
  }
  export default function autocannon(options: { url: string; connections: number; duration: number }): Promise<Result>
}
