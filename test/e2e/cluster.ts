/**
 * A cluster of one node with all its real parts, in a network namespace of its own, so that nothing of it touches the machine's network.
 *
 *   namespace shoal-e2e-PID                      folder /tmp/shoal-e2e-PID
 *   node0 10.200.0.1/24 ── node1 (a veth pair,   certificates, configurations, logs/, and what etcd, containerd
 *   both ends inside)                            and the kubelet keep
 *
 * Taking it down ends each program and each task of containerd by its own ID, and unmounts what lies below the folder.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeApiCertificates } from '../support/certificates.ts'
import { attempt, Daemon, type Ended, eventually, type RunOptions, run } from '../support/command.ts'
import { IMAGES } from './images.ts'

export const NODE_ADDRESS = '10.200.0.1'
export const DNS_ADDRESS = '10.96.0.10'
const SERVICE_NETWORK = '10.96.0.0/12'
const POD_NETWORK = '10.244.0.0/24'
const API = `https://${NODE_ADDRESS}:6443`
const TOKEN = 'e2e-admin'

export class Cluster {
  readonly folder: string
  readonly network: string
  readonly #kube: string
  readonly #log: (line: string) => void
  readonly #daemons: Daemon[] = []
  #networksBefore: readonly string[] = []
  #isStopping = false
  /** For commands that are run beside the cluster: its kubectl comes first. */
  readonly env: NodeJS.ProcessEnv

  constructor(kubeFolder: string, log: (line: string) => void) {
    this.folder = mkdtempSync(`/tmp/shoal-e2e-${process.pid}-`)
    this.network = `shoal-e2e-${process.pid}`
    this.#kube = join(kubeFolder, 'kube')
    this.#log = log
    mkdirSync(join(this.folder, 'bin'))
    mkdirSync(join(this.folder, 'logs'))
    writeFileSync(join(this.folder, 'bin/kubectl'), `#!/bin/sh\nexec ${this.#kube} kubectl "$@"\n`, { mode: 0o755 })
    this.env = {
      ...process.env,
      KUBECONFIG: join(this.folder, 'kubeconfig'),
      PATH: `${join(this.folder, 'bin')}:${process.env['PATH']}`,
    }
  }

  /** On the node, in its network. */
  node(command: readonly string[], options: RunOptions = {}): Promise<string> {
    return run(this.#inNetwork(command), { env: this.env, ...options })
  }

  attempt(command: readonly string[], options: RunOptions = {}): Promise<Ended> {
    return attempt(this.#inNetwork(command), { env: this.env, ...options })
  }

  kubectl(args: readonly string[], options: RunOptions = {}): Promise<string> {
    return this.node(['kubectl', ...args], options)
  }

  /** Started on the node; the caller stops it. */
  daemon(name: string, command: readonly string[]): Daemon {
    return new Daemon(name, this.#inNetwork(command), this.logFile(name), this.env)
  }

  logFile(name: string): string {
    return join(this.folder, 'logs', `${name}.log`)
  }

  /** The last lines of each part's log. */
  logTails(lines = 15): string {
    const folder = join(this.folder, 'logs')
    return readdirSync(folder)
      .map((name) => {
        const text = readFileSync(join(folder, name), 'utf8').trimEnd().split('\n')
        return `--- ${name}\n${text
          .slice(-lines)
          .map((line) => line.slice(0, 400))
          .join('\n')}`
      })
      .join('\n')
  }

  /** Resolves when the node is ready. The caller stops it in any case. */
  async start(archives: readonly string[]): Promise<void> {
    await this.#makeNetwork()
    this.#makeCertificates()
    this.#writeConfigurations()
    this.#startDaemon('etcd', [
      ...['etcd', '--data-dir', this.#path('etcd'), '--listen-client-urls', 'http://127.0.0.1:2379'],
      ...['--advertise-client-urls', 'http://127.0.0.1:2379', '--listen-peer-urls', 'http://127.0.0.1:2380'],
      ...['--unsafe-no-fsync', '--log-level', 'warn'],
    ])
    this.#startDaemon('containerd', ['containerd', '--config', this.#path('containerd.toml')])
    this.#startDaemon('kube-apiserver', [this.#kube, 'kube-apiserver', ...this.#apiFlags()])
    this.#log('API server')
    await eventually('the API server is ready', async () => {
      const { status } = await this.attempt(['kubectl', 'get', '--raw', '/readyz'])
      return status === 0 || undefined
    })
    const kubeconfig = `--kubeconfig=${this.#path('kubeconfig')}`
    this.#startDaemon('kube-controller-manager', [
      ...[
        this.#kube,
        'kube-controller-manager',
        kubeconfig,
        '--leader-elect=false',
        '--use-service-account-credentials',
      ],
      ...[`--service-account-private-key-file=${this.#path('accounts.key')}`, `--root-ca-file=${this.#path('ca.pem')}`],
    ])
    this.#startDaemon('kube-scheduler', [this.#kube, 'kube-scheduler', kubeconfig, '--leader-elect=false'])
    this.#log('images')
    const ctr = ['ctr', '--address', this.#path('containerd.sock'), '--namespace', 'k8s.io']
    await eventually('containerd answers', async () => (await this.node([...ctr, 'version'])) || undefined)
    for (const archive of archives) await this.node([...ctr, 'images', 'import', archive], { timeoutMs: 300_000 })
    this.#log('node')
    this.#startDaemon('kubelet', [
      ...[this.#kube, 'kubelet', kubeconfig, `--config=${this.#path('kubelet.yaml')}`, '--hostname-override=node'],
      ...[`--node-ip=${NODE_ADDRESS}`, `--root-dir=${this.#path('kubelet')}`],
    ])
    this.#startDaemon('kube-proxy', [this.#kube, 'kube-proxy', `--config=${this.#path('proxy.yaml')}`])
    await this.kubectl(['wait', '--for=create', 'node/node', '--timeout=120s'], { timeoutMs: 130_000 })
    await this.kubectl(['wait', '--for=condition=Ready', 'node/node', '--timeout=120s'], { timeoutMs: 130_000 })
    await this.kubectl(['wait', '--for=create', 'serviceaccount/default', '--timeout=60s'], { timeoutMs: 70_000 })
  }

  /** Ends everything, in the order that leaves nothing waiting. A start under way fails. */
  async stop(): Promise<void> {
    this.#isStopping = true
    const before = ['kube-proxy', 'kubelet', 'kube-scheduler', 'kube-controller-manager', 'kube-apiserver', 'etcd']
    for (const name of before) await this.#daemons.find((each) => each.name === name)?.stop()
    const ctr = ['ctr', '--address', this.#path('containerd.sock'), '--namespace', 'k8s.io']
    const containerd = this.#daemons.find(({ name }) => name === 'containerd')
    if (containerd !== undefined && !containerd.hasEnded) {
      const tasks = (await this.attempt([...ctr, 'tasks', 'ls', '--quiet'])).stdout
        .split('\n')
        .filter((id) => id !== '')
      await Promise.all(tasks.map((id) => this.attempt([...ctr, 'tasks', 'delete', '--force', id])))
      await containerd.stop()
    }
    const mounts = readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .map((line) => line.split(' ')[1] ?? '')
    for (const mount of mounts.reverse()) {
      if (mount.startsWith(`${this.folder}/`)) await attempt(['umount', '--lazy', mount])
    }
    // What killed sandboxes left.
    for (const name of this.#podNetworks()) await attempt(['ip', 'netns', 'delete', name])
    await attempt(['ip', 'netns', 'delete', this.network])
    rmSync(this.folder, { recursive: true, force: true })
  }

  /** Named network namespaces that the CNI made since the start. */
  #podNetworks(): readonly string[] {
    try {
      return readdirSync('/run/netns').filter((name) => name.startsWith('cni-') && !this.#networksBefore.includes(name))
    } catch {
      return []
    }
  }

  async #makeNetwork(): Promise<void> {
    this.#networksBefore = this.#podNetworks()
    await run(['ip', 'netns', 'add', this.network])
    const ip = (...args: string[]): Promise<string> => run(['ip', '-netns', this.network, ...args])
    await ip('link', 'set', 'lo', 'up')
    await ip('link', 'add', 'node0', 'type', 'veth', 'peer', 'name', 'node1')
    await ip('address', 'add', `${NODE_ADDRESS}/24`, 'dev', 'node0')
    await ip('link', 'set', 'node0', 'up')
    await ip('link', 'set', 'node1', 'up')
    await ip('route', 'add', 'default', 'via', '10.200.0.2', 'dev', 'node0')
    await this.node(['sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward'])
  }

  #makeCertificates(): void {
    const names =
      'DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local'
    makeApiCertificates(this.folder, `${names},IP:${NODE_ADDRESS},IP:127.0.0.1,IP:10.96.0.1`)
  }

  #apiFlags(): readonly string[] {
    return [
      '--etcd-servers=http://127.0.0.1:2379',
      `--advertise-address=${NODE_ADDRESS}`,
      `--tls-cert-file=${this.#path('api.pem')}`,
      `--tls-private-key-file=${this.#path('api.key')}`,
      `--client-ca-file=${this.#path('ca.pem')}`,
      `--cert-dir=${this.folder}`,
      '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
      `--service-account-key-file=${this.#path('accounts.key')}`,
      `--service-account-signing-key-file=${this.#path('accounts.key')}`,
      `--token-auth-file=${this.#path('tokens.csv')}`,
      `--service-cluster-ip-range=${SERVICE_NETWORK}`,
      '--authorization-mode=RBAC',
      '--allow-privileged',
      '--kubelet-preferred-address-types=InternalIP',
      '--anonymous-auth=false',
    ]
  }

  #writeConfigurations(): void {
    const write = (name: string, text: string): void => writeFileSync(this.#path(name), text)
    write('tokens.csv', `${TOKEN},admin,admin,system:masters\n`)
    write(
      'kubeconfig',
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Config',
        clusters: [{ name: 'e2e', cluster: { server: API, 'certificate-authority': this.#path('ca.pem') } }],
        users: [{ name: 'admin', user: { token: TOKEN } }],
        contexts: [{ name: 'e2e', context: { cluster: 'e2e', user: 'admin' } }],
        'current-context': 'e2e',
      }),
    )
    write('containerd.toml', this.#containerdConfig())
    mkdirSync(this.#path('cni'))
    write(
      'cni/10-bridge.conflist',
      JSON.stringify({
        cniVersion: '1.0.0',
        name: 'pods',
        plugins: [
          {
            type: 'bridge',
            bridge: 'pods0',
            isGateway: true,
            hairpinMode: true,
            ipMasq: false,
            ipam: {
              type: 'host-local',
              dataDir: this.#path('cni-addresses'),
              ranges: [[{ subnet: POD_NETWORK }]],
              routes: [{ dst: '0.0.0.0/0' }],
            },
          },
          { type: 'portmap', capabilities: { portMappings: true } },
        ],
      }),
    )
    write(
      'kubelet.yaml',
      JSON.stringify({
        apiVersion: 'kubelet.config.k8s.io/v1beta1',
        kind: 'KubeletConfiguration',
        authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
        authorization: { mode: 'AlwaysAllow' },
        cgroupDriver: 'cgroupfs',
        cgroupsPerQOS: false,
        enforceNodeAllocatable: [],
        failCgroupV1: false,
        failSwapOn: false,
        localStorageCapacityIsolation: false,
        resolvConf: '',
        clusterDNS: [DNS_ADDRESS],
        clusterDomain: 'cluster.local',
        containerRuntimeEndpoint: `unix://${this.#path('containerd.sock')}`,
        imageMinimumGCAge: '24h',
        // ConfigMaps reach their pods in seconds instead of a minute.
        syncFrequency: '5s',
      }),
    )
    write(
      'proxy.yaml',
      JSON.stringify({
        apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
        kind: 'KubeProxyConfiguration',
        clientConnection: { kubeconfig: this.#path('kubeconfig') },
        mode: 'nftables',
        hostnameOverride: 'node',
        conntrack: { maxPerCore: 0 },
      }),
    )
  }

  #containerdConfig(): string {
    const cri = 'plugins."io.containerd.grpc.v1.cri"'
    return `version = 2
root = "${this.#path('containerd')}"
state = "${this.#path('containerd-state')}"
[grpc]
  address = "${this.#path('containerd.sock')}"
[plugins."io.containerd.internal.v1.opt"]
  path = "${this.#path('containerd-opt')}"
[${cri}]
  sandbox_image = "${IMAGES.pause}"
  disable_apparmor = true
  restrict_oom_score_adj = true
[${cri}.containerd]
  snapshotter = "overlayfs"
  default_runtime_name = "runc"
[${cri}.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[${cri}.cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "${this.#path('cni')}"
`
  }

  #startDaemon(name: string, command: readonly string[]): void {
    if (this.#isStopping) throw new Error('the cluster is being stopped')
    this.#daemons.push(this.daemon(name, command))
  }

  // `ip netns exec` would hide the mounts of the control groups, and the kubelet needs them.
  #inNetwork(command: readonly string[]): readonly string[] {
    return ['nsenter', `--net=/run/netns/${this.network}`, '--', ...command]
  }

  #path(name: string): string {
    return join(this.folder, name)
  }
}
