import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cgroupLimits } from '../../src/primary/cgroup.ts'

const NONE = Number.POSITIVE_INFINITY

const cases = [
  { title: 'no cgroups at all', files: {}, processors: NONE, memorySize: NONE },
  {
    title: 'version 2 without limits',
    files: {
      '/proc/self/cgroup': '0::/\n',
      '/sys/fs/cgroup/cpu.max': 'max 100000\n',
      '/sys/fs/cgroup/memory.max': 'max\n',
    },
    processors: NONE,
    memorySize: NONE,
  },
  {
    title: 'version 2 in a container: the mount point is the group',
    files: {
      '/proc/self/cgroup': '0::/\n',
      '/sys/fs/cgroup/cpu.max': '150000 100000\n',
      '/sys/fs/cgroup/memory.max': '178257920\n',
    },
    processors: 1.5,
    memorySize: 170 << 20,
  },
  {
    title: 'version 2: the tightest of the group and those above it',
    files: {
      '/proc/self/cgroup': '0::/a.slice/b.service\n',
      '/sys/fs/cgroup/a.slice/b.service/cpu.max': '400000 100000\n',
      '/sys/fs/cgroup/a.slice/cpu.max': '50000 100000\n',
      '/sys/fs/cgroup/a.slice/b.service/memory.max': '1000\n',
      '/sys/fs/cgroup/a.slice/memory.max': '2000\n',
    },
    processors: 0.5,
    memorySize: 1000,
  },
  {
    title: 'version 1',
    files: {
      '/proc/self/cgroup': '4:memory:/docker/x\n3:cpuset:/\n2:cpu,cpuacct:/docker/x\n1:name=systemd:/\n0::/\n',
      '/sys/fs/cgroup/cpu/docker/x/cpu.cfs_quota_us': '200000\n',
      '/sys/fs/cgroup/cpu/docker/x/cpu.cfs_period_us': '100000\n',
      '/sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes': '268435456\n',
      '/sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
    },
    processors: 2,
    memorySize: 256 << 20,
  },
  {
    title: 'version 1 without limits',
    files: {
      '/proc/self/cgroup': '2:cpu:/\n4:memory:/\n',
      '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1\n',
      '/sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n',
      '/sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
    },
    processors: NONE,
    memorySize: NONE,
  },
  {
    title: 'a path with colons, and nonsense in the files',
    files: {
      '/proc/self/cgroup': '0::/a:b\nnonsense\n',
      '/sys/fs/cgroup/a:b/cpu.max': 'x y\n',
      '/sys/fs/cgroup/cpu.max': '100000 100000',
    },
    processors: 1,
    memorySize: NONE,
  },
]
for (const { title, files, ...limits } of cases) {
  test(title, () => {
    const texts = new Map(Object.entries(files))
    assert.deepEqual(
      cgroupLimits((path) => texts.get(path)),
      limits,
    )
  })
}

test('this machine: whatever it says, it is a limit or none', () => {
  const { processors, memorySize } = cgroupLimits()
  assert.ok(processors > 0 && memorySize > 0)
})
