import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeLoraFile } from '../../../src/models/adapters/lora-file.js';
import { policyParameters } from '../../../src/models/policy/policy-file.js';
import { readPolicy } from '../../../src/streams/directory/read-adapter.js';

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

describe('readPolicy', () => {
  it.each(['peft', 'kohya'] as const)(
    'should name the layers and the scale that the file has: %s',
    async (format) => {
      const path = join(folder, `${format}.safetensors`);
      const layers = [layer('unet.down_blocks.1.attn1.to_q'), layer('unet.mid_block.attn2.to_out.0')];
      await writeFile(path, encodeLoraFile(layers, { format, dtype: 'fp16' }));
      const { adapter, weights, warnings } = await readPolicy(path);
      expect(adapter).toMatchObject({
        layers: ['down_blocks.1.attn1.to_q', 'mid_block.attn2.to_out.0'],
        rank: 2,
        alpha: 4,
        hasOneRank: true,
      });
      expect([weights, warnings]).toEqual([null, []]);
    },
  );

  it('should read the layers of text encoders, which a policy that does not train them refuses by name', async () => {
    const path = join(folder, 'text.safetensors');
    await writeFile(
      path,
      encodeLoraFile([layer('unet.a'), layer('text_encoder.b'), layer('text_encoder.c')]),
    );
    const policy = await readPolicy(path);
    expect(policy.adapter?.layers).toEqual(['text_encoder.b', 'text_encoder.c', 'a']);
    const untrained = { component: 'unet', adapters: [], weights: [] };
    expect(() => policyParameters(policy, untrained, path)).toThrow(
      'expected only layers that are trained, got 2 of text encoders that are not: "text_encoder.b", "text_encoder.c".',
    );
  });

  it.each([
    ['of torch.save', [0x50, 0x4b, 3, 4, 0, 0, 8, 8]],
    ['of torch.save before 1.6', [0x80, 2, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46]],
  ])('should refuse a pickle unread: %s', async (_, bytes) => {
    const path = join(folder, 'adapter.bin');
    await writeFile(path, Uint8Array.from([...bytes, ...new Uint8Array(64)]));
    await expect(readPolicy(path)).rejects.toMatchObject({
      code: 'TRIB_LORA',
      message: expect.stringContaining('got a pickle (torch.save). A pickle can run arbitrary code'),
    });
  });

  it('should take a safetensors file whose header is as long as a pickle begins', async () => {
    // 0x280 = 640 bytes of header: the file begins with 0x80 0x02.
    const bytes = encodeLoraFile([layer('unet.a')]);
    const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    const padded = new Uint8Array(8 + 640 + bytes.length - 8 - length).fill(0x20, 8, 648);
    new DataView(padded.buffer).setBigUint64(0, 640n, true);
    padded.set(bytes.subarray(8, 8 + length), 8);
    padded.set(bytes.subarray(8 + length), 648);
    const path = join(folder, 'padded.safetensors');
    await writeFile(path, padded);
    expect((await readPolicy(path)).adapter?.layers).toEqual(['a']);
  });

  it('should say what is not there', async () => {
    await expect(readPolicy(join(folder, 'none.safetensors'))).rejects.toThrow(
      'expected an adapter file, got no such file',
    );
    await expect(readPolicy('nobody/lcm-lora')).rejects.toThrow(
      'nobody/lcm-lora: expected an adapter file, got no such file. If it is an adapter of the hub, run hf download nobody/lcm-lora --local-dir adapters/lcm-lora, and name that folder.',
    );
    const partial = join(folder, 'half.safetensors');
    await writeFile(`${partial}.crdownload`, '');
    await expect(readPolicy(partial)).rejects.toThrow(
      'expected an adapter file, got half.safetensors.crdownload, an unfinished download.',
    );
    const named = join(folder, 'named');
    await mkdir(named);
    await writeFile(join(named, 'cat-000010.safetensors'), encodeLoraFile([layer('unet.a')]));
    await expect(readPolicy(named)).rejects.toThrow(
      `${named}: expected pytorch_lora_weights.safetensors or adapter_model.safetensors in the folder, got cat-000010.safetensors. Name the file itself.`,
    );
  });
});
