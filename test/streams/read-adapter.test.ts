import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeLoraFile } from '../../src/models/adapters/lora-file.js';
import { readAdapter } from '../../src/streams/read-adapter.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tributary-adapter-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const layer = (key: string) => ({
  key,
  loraA: new Float32Array(6),
  loraB: new Float32Array(8),
  rank: 2,
  alpha: 4,
});

describe('readAdapter', () => {
  it('should name just the layers that the file adapts', async () => {
    const path = join(folder, 'a.safetensors');
    await writeFile(
      path,
      encodeLoraFile([layer('unet.down_blocks.1.attn1.to_q'), layer('unet.mid_block.attn2.to_out.0')]),
    );
    const { pattern, rank, alpha } = await readAdapter(path);
    expect({ rank, alpha }).toEqual({ rank: 2, alpha: 4 });
    const matches = (name: string) => new RegExp(pattern).test(name);
    expect(matches('/down_blocks.1/attn1/to_q/MatMul')).toBe(true);
    expect(matches('/mid_block/attn2/to_out.0/MatMul')).toBe(true);
    expect(matches('/up_blocks.0/attn1/to_q/MatMul')).toBe(false);
    expect(matches('/down_blocks.1/attn1/to_qq/MatMul')).toBe(false);
  });

  it('should say what is not there', async () => {
    await expect(readAdapter(join(folder, 'none.safetensors'))).rejects.toThrow(
      'expected an adapter file, got ENOENT',
    );
  });
});
