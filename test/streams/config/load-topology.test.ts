import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadTopology } from '../../../src/streams/config/load-topology.js';
import { SMALLEST } from './valid-config.js';

describe('loadTopology', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tributary-config-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('should read a file, the one it extends, and the overrides', async () => {
    await writeFile(join(folder, 'base.yaml'), SMALLEST);
    await writeFile(join(folder, 'demo.yaml'), 'version: 2\nextends: base.yaml\nname: demo\n');
    const config = await loadTopology(join(folder, 'demo.yaml'), ['seed=9']);
    expect(config).toMatchObject({
      name: 'demo',
      seed: 9,
      model: { pipeline: join(folder, 'models/shapes') },
    });
  });

  it('should throw one fault with every line in it', async () => {
    const path = join(folder, 'bad.yaml');
    await writeFile(path, SMALLEST.replace('name: tiny', 'name: 7'));
    await expect(loadTopology(path, ['seed=-1'])).rejects.toMatchObject({
      code: 'TRIB_CONFIG',
      exitCode: 2,
      message: [
        `${path}:1:7 name: expected a name of letters, digits and hyphens, a letter first, got 7 (number). Put it in quotes.`,
        '--set seed=-1 seed: expected an integer from 0 to 4294967295, got -1 (number). Change the value.',
      ].join('\n'),
    });
  });

  it('should say which file is not there', async () => {
    const path = join(folder, 'gone.yaml');
    await expect(loadTopology(path)).rejects.toMatchObject({
      code: 'TRIB_USAGE',
      message: `config ${path}: expected a file that can be read, got ENOENT. Name a YAML file, or a preset such as tributary:demo.`,
    });
  });
});
