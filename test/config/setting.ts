import { type Config, ConfigError, type Environment, readConfig } from '../../src/config.ts'

/** Files by path, in place of the disk. */
const files: Readonly<Record<string, string>> = {
  '/run/secrets/good': ' one-secret-of-a-file \n',
  '/run/secrets/empty': '\n \n',
}

function readFile(path: string): string {
  const text = files[path]
  if (text === undefined) throw new Error(`ENOENT: no such file ${path}`)
  return text
}

export const read = (environment: Environment = {}): Config => readConfig(environment, { readFile })

/** What is wrong with settings. */
export function problemsOf(environment: Environment): readonly string[] {
  try {
    read(environment)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

/** The least for a real provider. */
export const real = { PROVIDER_API_KEY: 'provider-key', API_KEYS: 'alice:secret', PUBLIC_URL: 'https://darkroom.example.com' }
