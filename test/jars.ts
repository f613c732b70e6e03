import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/**
 * The folder of a Java program's jars: fetched once per machine, from where Maven fetches.
 * @param artifacts as `group:name:version`, the program first; what they need comes with them.
 * @param given where they are kept instead.
 * @throws when there is no Java, or no Maven to fetch them.
 */
export async function fetchJars(name: string, artifacts: readonly string[], given?: string): Promise<string> {
  const home = given ?? join(homedir(), '.cache', 'wanlian-test', name)
  const lib = join(home, 'lib')
  await run('java', ['-version'])
  const program = `${artifacts[0]?.split(':')[1]}-`
  if (existsSync(lib) && (await readdir(lib)).some(file => file.startsWith(program))) return lib
  const work = `${home}.${randomUUID()}`
  await mkdir(work, { recursive: true })
  const dependencies = artifacts.map(artifact => {
    const [group, id, version] = artifact.split(':')
    return `<dependency><groupId>${group}</groupId><artifactId>${id}</artifactId><version>${version}</version></dependency>`
  })
  const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>wanlian</groupId><artifactId>jars</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>${dependencies.join('')}</dependencies></project>`
  await writeFile(join(work, 'pom.xml'), pom)
  const goal = ['-q', '-B', 'dependency:copy-dependencies', '-DoutputDirectory=lib', '-DincludeScope=runtime']
  await run('mvn', goal, { cwd: work })
  try {
    await rename(work, home)
  } catch (error) {
    // Another test was quicker.
    await rm(work, { recursive: true, force: true })
    if (!existsSync(lib)) throw error
  }
  return lib
}
