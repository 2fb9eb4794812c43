/**
 * A two-way line of typed messages, in order and without loss until it closes: node:cluster's IPC channel between
 * processes, or a pair of ends within one.
 */

export interface Link<Outgoing, Incoming> {
  /** Queues a message. After the line is closed it is dropped in silence. Doesn't throw or block. */
  send(message: Outgoing): void
  /** One listener; messages that came before it was set are not kept. */
  onMessage(listener: (message: Incoming) => void): void
  /** Called once, when the other side is gone or has closed. */
  onClose(listener: () => void): void
  close(): void
}

/** What `process` (in a worker) and a cluster worker (in the primary) have in common. */
export interface IpcEnd {
  send?(message: unknown, callback: (error: Error | null) => void): boolean
  on(event: 'message', listener: (message: unknown) => void): unknown
  on(event: 'disconnect', listener: () => void): unknown
  disconnect?(): void
}

/** The link over an IPC channel whose other end is of this program too. */
export function ipcLink<Outgoing, Incoming>(end: IpcEnd): Link<Outgoing, Incoming> {
  let open = true
  return {
    send(message) {
      if (!open) return
      // The channel may close between our look and the write; its `disconnect` event tells, the error adds nothing.
      try {
        end.send?.(message, () => {})
      } catch {}
    },
    onMessage(listener) {
      end.on('message', (message) => {
        // node:cluster talks over the same channel in messages of its own, which it doesn't hide from a worker of old.
        if (open && isOurs(message)) listener(message as Incoming)
      })
    },
    onClose(listener) {
      end.on('disconnect', () => {
        if (!open) return
        open = false
        listener()
      })
    },
    close() {
      open = false
      try {
        end.disconnect?.()
      } catch {}
    },
  }
}

function isOurs(message: unknown): boolean {
  return typeof message === 'object' && message !== null && typeof (message as { kind?: unknown }).kind === 'string'
}

/** Two ends in one process. Delivery is asynchronous and in order; objects are passed as they are. */
export function localLinks<A, B>(): [Link<A, B>, Link<B, A>] {
  const left = new LocalEnd<A, B>()
  const right = new LocalEnd<B, A>()
  left.peer = right
  right.peer = left
  return [left, right]
}

class LocalEnd<Outgoing, Incoming> implements Link<Outgoing, Incoming> {
  peer: LocalEnd<Incoming, Outgoing> | undefined
  #onMessage: ((message: Incoming) => void) | undefined
  #onClose: (() => void) | undefined
  #open = true

  send(message: Outgoing): void {
    // setImmediate, not a microtask: a long exchange must not keep packets waiting.
    if (this.#open) setImmediate(() => this.peer?.deliver(message))
  }

  deliver(message: Incoming): void {
    if (this.#open) this.#onMessage?.(message)
  }

  onMessage(listener: (message: Incoming) => void): void {
    this.#onMessage = listener
  }

  onClose(listener: () => void): void {
    this.#onClose = listener
  }

  close(): void {
    if (!this.#open) return
    this.#open = false
    setImmediate(() => this.peer?.closed())
  }

  closed(): void {
    if (!this.#open) return
    this.#open = false
    this.#onClose?.()
  }
}
