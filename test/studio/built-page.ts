/** @file The studio's page, built once for all tests of a run. */

import { existsSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { inject } from 'vitest';

/** Builds the page where no other test has, and returns its folder. */
export async function builtPage(): Promise<string> {
  const folder = join(inject('sharedFolder'), 'studio');
  if (existsSync(folder)) return folder;
  const { buildStudio } = await import(pathToFileURL('tools/studio/build.mjs').href);
  const own = `${folder}-${process.pid}`;
  await buildStudio(own);
  // Another worker may have been quicker; its page is the same.
  await rename(own, folder).catch(() => undefined);
  return folder;
}
