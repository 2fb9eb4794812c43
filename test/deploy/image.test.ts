/** The Dockerfile starts Shoal as bin/shoal does, and copies what the build needs. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { DEPLOY } from './fake-cluster.ts'

const PROJECT = join(import.meta.dirname, '../..')
const dockerfile = readFileSync(join(DEPLOY, 'Dockerfile'), 'utf8')

test("the image starts Node with bin/shoal's flags", () => {
  const command = JSON.parse(/^ENTRYPOINT (.*)$/m.exec(dockerfile)![1]!) as readonly string[]
  const flags = /^exec "\$node" (.*) "\$main"/m.exec(readFileSync(join(PROJECT, 'bin/shoal'), 'utf8'))![1]!.split(' ')
  assert.deepEqual(command, ['/usr/local/bin/node', ...flags, '/shoal/dist/main.js'])
})

test('a numeric user that is not root', () => {
  assert.match(dockerfile, /^USER [1-9][0-9]*:[1-9][0-9]*$/m)
})

test('the compiled code is that of the user who runs it', () => {
  const [, user] = /^USER ([0-9]+):/m.exec(dockerfile)!
  const [, cache] = /^ENV NODE_COMPILE_CACHE=(\S+)$/m.exec(dockerfile)!
  assert.ok(dockerfile.includes(`NODE_COMPILE_CACHE=${cache} /image/usr/local/bin/node /shoal/dist/main.js`))
  assert.ok(dockerfile.includes(`for folder in ${cache}/*-0; do mv "$folder" "\${folder%-0}-${user}"`))
})

test('what is copied exists, and is sent to the builder', () => {
  const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(([, paths]) => paths!.split(' '))
  const sent = readFileSync(join(DEPLOY, 'Dockerfile.dockerignore'), 'utf8').split('\n')
  assert.ok(copied.length > 3)
  for (const path of copied) {
    assert.ok(existsSync(join(PROJECT, path)), path)
    assert.ok(sent.includes(`!${path}`), `${path} in Dockerfile.dockerignore`)
  }
})

test('what the build runs is locked for both platforms', () => {
  const { optionalDependencies } = JSON.parse(readFileSync(join(PROJECT, 'tools/dev-node/package.json'), 'utf8'))
  const { packages } = JSON.parse(readFileSync(join(PROJECT, 'package-lock.json'), 'utf8'))
  for (const cpu of ['x64', 'arm64']) {
    assert.ok(optionalDependencies[`node-linux-${cpu}`])
    for (const name of [
      `node-linux-${cpu}`,
      `@typescript/typescript-linux-${cpu}`,
      `@rolldown/binding-linux-${cpu}-gnu`,
    ]) {
      const locked = packages[`node_modules/${name}`]
      assert.deepEqual([locked?.os, locked?.cpu].flat(), ['linux', cpu], name)
    }
  }
})
