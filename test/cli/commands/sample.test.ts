import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { callCli } from '../call-cli.js';

describe('sample', () => {
  it('should say that there is no pipeline before it speaks of a tokenizer', async () => {
    const folder = await temporaryFolder();
    const fault = async (pipeline: string) => {
      const words = ['--prompt', 'a cat', '--out', join(folder, 'out.png')];
      const { code, stderr } = await callCli(['sample', '--pipeline', pipeline, ...words]);
      expect(code).toBe(1);
      return stderr;
    };
    const pickle = join(folder, 'model.ckpt');
    await writeFile(pickle, '\x80\x02');
    expect(await fault(pickle)).toContain(`${pickle}: expected safetensors, got a pickle`);
    const none = join(folder, 'none.safetensors');
    expect(await fault(none)).toContain(
      `${none}: expected a pipeline folder, or a checkpoint in one .safetensors file`,
    );
    const empty = await temporaryFolder();
    expect(await fault(empty)).toContain(
      `${join(empty, 'model_index.json')}: expected a JSON file, got no such file`,
    );
  });
  it('should take an empty negative prompt as none', async () => {
    const out = join(await temporaryFolder(), 'out.png');
    const words = ['--prompt', 'a red circle', '--images', '1', '--steps', '2', '--out', out];
    expect((await callCli(['sample', ...words])).code).toBe(0);
    const plain = await readFile(out);
    expect((await callCli(['sample', ...words, '--negative', ' '])).code).toBe(0);
    expect((await readFile(out)).equals(plain)).toBe(true);
  });
});
