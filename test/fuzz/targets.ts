/** Every fuzz target, in the order that a run takes them. A parser of octets that others choose belongs here. */
import type { FuzzTarget } from './target.ts'
import { composedReply } from './targets/compose-reply.ts'
import { commandLine, pluginCfg, serverConfig } from './targets/configuration.ts'
import { corefile } from './targets/corefile.ts'
import { upstreamQuery, upstreamReply } from './targets/forward.ts'
import { expression, goTemplate } from './targets/languages.ts'
import { logLine } from './targets/log-line.ts'
import { message } from './targets/message.ts'
import { nameText, nameWire } from './targets/names.ts'
import { hostsFile, resolvConf, upstreamAddress, weightFile } from './targets/plain-files.ts'
import { plantedFault, plantedHang } from './targets/planted.ts'
import { query } from './targets/query.ts'
import { ednsOptions, rdataText, rdataWire } from './targets/rdata.ts'
import { replyPath } from './targets/reply-path.ts'
import { tcpFraming } from './targets/tcp-framing.ts'
import { webConfig } from './targets/web-config.ts'
import { zoneCheck, zoneFile } from './targets/zone-file.ts'

export const TARGETS: readonly FuzzTarget[] = [
  query,
  nameWire,
  nameText,
  message,
  rdataWire,
  rdataText,
  ednsOptions,
  composedReply,
  tcpFraming,
  upstreamReply,
  upstreamQuery,
  replyPath,
  logLine,
  zoneFile,
  zoneCheck,
  corefile,
  serverConfig,
  pluginCfg,
  commandLine,
  hostsFile,
  resolvConf,
  upstreamAddress,
  weightFile,
  webConfig,
  goTemplate,
  expression,
]

/** Throws Error for a name that no target has. Knows the planted faults too. */
export function findTarget(name: string): FuzzTarget {
  const target = [...TARGETS, plantedFault, plantedHang].find((each) => each.name === name)
  if (target === undefined) {
    throw new Error(`no target "${name}": there are ${TARGETS.map((each) => each.name).join(', ')}`)
  }
  return target
}
