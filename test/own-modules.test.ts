import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { importModule } from '../src/own-modules.js';
import { temporaryFolder } from './fixtures/temporary-folder.js';

describe('importModule', () => {
  it('should not wait without an end for a module whose await waits for nothing', async () => {
    const path = join(await temporaryFolder(), 'waiting.mjs');
    await writeFile(path, 'await new Promise(() => {});\nexport default 1;\n');
    expect(await importModule(path, 0)).toEqual({
      expected: 'a module that loads within 0 seconds',
      got: 'one in which an `await` still waits',
    });
  });
});
