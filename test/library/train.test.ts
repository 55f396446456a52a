import { readdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { lastValueFrom, toArray } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { lint, loadTopology, TributaryError, train } from '../../src/library/index.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';
import { tinyConfig } from '../fixtures/tiny-run.js';
import { ownProject } from './own-project.js';

describe('train', () => {
  it('should finish and save the round in which a program unsubscribes, and let its process end', async () => {
    const { folder, add, run } = await ownProject();
    await writeFile(join(folder, 'tiny.yaml'), stringify(await tinyConfig(folder)));
    await add('test/library/two-rounds.ts');
    const { code, stdout, stderr } = await run('two-rounds.js', ['tiny.yaml']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const kinds = JSON.parse(stdout) as string[];
    expect(kinds.filter((kind) => kind === 'round')).toHaveLength(1);
    expect(kinds.at(-1)).toBe('progress');
    const path = join(folder, 'runs/tiny');
    expect(await readdir(join(path, 'checkpoints'))).toEqual(['1', '2']);
    expect(await readdir(path)).toContain('report.html');
    expect(await readdir(path)).not.toContain('run.lock');
  });

  it('should fail with an error of a known code before anything is written', async () => {
    const folder = await temporaryFolder();
    const events$ = train(await tinyConfig(folder), { runDirectory: folder }).pipe(toArray());
    const error: unknown = await lastValueFrom(events$).catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(TributaryError);
    expect(error).toMatchObject({ code: 'TRIB_USAGE' });
    expect(await readdir(folder)).toEqual(['pipeline']);
  });
});

describe('loadTopology', () => {
  it('should take a topology in code as it takes one in a file', async () => {
    const folder = await temporaryFolder();
    const path = join(folder, 'mine.yaml');
    const mine = { version: 2, name: 'mine', extends: 'config/demo.yaml' } as const;
    await writeFile(path, stringify({ ...mine, extends: relative(folder, mine.extends) }));
    const inCode = await loadTopology(mine, ['seed=8']);
    expect(inCode).toMatchObject({ name: 'mine', seed: 8 });
    expect(inCode).toEqual(await loadTopology(path, ['seed=8']));
  });

  it('should name every fault of a topology in code', async () => {
    const { config, faults } = await lint({ version: 2, name: '1', stages: {} });
    expect(config).toBeUndefined();
    expect(faults.map(({ path }) => path.join('.'))).toEqual(['model', 'name', 'stages']);
    await expect(loadTopology({ version: 2, name: '1', stages: {} })).rejects.toMatchObject({
      code: 'TRIB_CONFIG',
      message: faults.map(({ message }) => message).join('\n'),
    });
  });
});
