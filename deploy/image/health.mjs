// Exits with 0 when the process that listens on the port in this container says that it is well.
const [, , port] = process.argv
const answer = await fetch(`http://127.0.0.1:${port}/health`, { signal: AbortSignal.timeout(4_000) }).catch(
  () => null,
)
process.exit(answer?.ok ? 0 : 1)
