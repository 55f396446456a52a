import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { z } from 'zod';

const packageSchema = z.looseObject({
  name: z.string(),
  version: z.string(),
  dependencies: z.record(z.string(), z.string()).default({}),
});

function readPackage(path: string | URL) {
  return packageSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
}

const own = readPackage(new URL('../../../package.json', import.meta.url));

/** The version of Tributary. */
export const VERSION = own.version;

/** The installed versions of what Tributary depends on; null where a package is not there. */
export function dependencyVersions(): Record<string, string | null> {
  return Object.fromEntries(Object.keys(own.dependencies).map((name) => [name, installedVersion(name)]));
}

function installedVersion(name: string): string | null {
  // Packages need not export their package.json, so it is looked for where Node would look for the package.
  for (const folder of createRequire(import.meta.url).resolve.paths(name) ?? []) {
    try {
      return readPackage(join(folder, name, 'package.json')).version;
    } catch {
      // Not in this folder; the next one is further up.
    }
  }
  return null;
}
