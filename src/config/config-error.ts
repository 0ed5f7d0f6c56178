/** A setting nobody can run with. Its message names the place, the key and the remedy: one line for each fault. */
export class ConfigError extends Error {
  override name = 'ConfigError'
}
