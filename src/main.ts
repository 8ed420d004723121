// The first thing that runs, on any Node: nothing may be imported here that an older one cannot load.
const neededMajor = 24
const major = Number(process.versions.node.split('.')[0])
if (major < neededMajor) {
  console.error(`darkroom needs Node ${neededMajor} or newer, this is ${process.version}. On Linux, npm start brings its own.`)
  process.exit(1)
}
const { run } = await import('./run.ts')
await run()
