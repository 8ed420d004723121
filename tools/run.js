// Runs one of the project's TypeScript files for an npm script: node tools/run.js src/main.ts …
// Plain JavaScript, which every Node reads: an older one ends at a .ts file with an error that tells nobody what to do.
import { existsSync } from 'node:fs'
import { enableCompileCache } from 'node:module'
import { resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const neededMajor = 24
if (Number(process.versions.node.split('.')[0]) < neededMajor) {
  console.error(`darkroom needs Node ${neededMajor} or newer, this is ${process.version}.`)
  console.error('On Linux (x64, arm64) a plain "npm ci" brings it along for the npm scripts; elsewhere, please install it.')
  process.exit(1)
}

// Settings; what the environment says itself goes first.
const settings = fileURLToPath(new URL('../.env', import.meta.url))
if (existsSync(settings)) process.loadEnvFile(settings)

// From the second start on nothing is stripped of its types and compiled again: that takes half of the start's time, and a fifth of
// the memory for as long as it runs. Where the folder can't be written, each start is like the first.
process.env.NODE_COMPILE_CACHE ??= fileURLToPath(new URL('../node_modules/.cache/compiled', import.meta.url))
// This thread reads the variable before it comes here, threads that it starts read it then.
enableCompileCache(process.env.NODE_COMPILE_CACHE)

const [node = '', , file = '', ...rest] = process.argv
process.argv = [node, resolve(file), ...rest]
await import(pathToFileURL(resolve(file)).href)
