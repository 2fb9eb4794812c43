/**
 * Node's own modules that a server may never need, loaded at their first use. Importing them would load them in every
 * thread: node:tls takes 25 ms, and the namespace of node:http 100 ms more, since making it evaluates every export's getter,
 * WebSocket's among them.
 */
export const builtins = {
  get http(): typeof import('node:http') {
    return process.getBuiltinModule('node:http')
  },
  get https(): typeof import('node:https') {
    return process.getBuiltinModule('node:https')
  },
  get http2(): typeof import('node:http2') {
    return process.getBuiltinModule('node:http2')
  },
  get tls(): typeof import('node:tls') {
    return process.getBuiltinModule('node:tls')
  },
  get zlib(): typeof import('node:zlib') {
    return process.getBuiltinModule('node:zlib')
  },
}
