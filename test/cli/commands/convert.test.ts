import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkpointFile } from '../../fixtures/checkpoint-files.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { callCli } from '../call-cli.js';

async function drawn(pipeline: string): Promise<Buffer> {
  const out = join(await temporaryFolder(), 'grid.png');
  const words = ['--prompt', 'two cats, oil on canvas!', '--images', '1', '--steps', '2', '--scale', '1'];
  const { code, stderr } = await callCli(['sample', '--pipeline', pipeline, '--out', out, ...words]);
  expect(stderr).not.toContain('error');
  expect(code).toBe(0);
  return readFile(out);
}

describe('convert', () => {
  it('should write a folder that draws what the checkpoint draws, and can be linted', async () => {
    const checkpoint = await checkpointFile('sd2');
    const folder = join(await temporaryFolder(), 'model');
    const converted = await callCli(['convert', checkpoint, folder]);
    expect(converted).toMatchObject({ code: 0, stdout: `${folder}\n` });
    expect(converted.stderr).toContain('read as a model that predicts v_prediction, by its weights');
    expect((await drawn(folder)).equals(await drawn(checkpoint))).toBe(true);
  });

  it('should refuse what is no checkpoint, and a folder with files, and write nothing', async () => {
    const folder = await temporaryFolder();
    const out = join(folder, 'model');
    const missing = await callCli(['convert', join(folder, 'none.safetensors'), out]);
    expect(missing.code).toBe(1);
    expect(missing.stderr).toContain('none.safetensors: expected a readable safetensors file, got ENOENT');
    const checkpoint = await checkpointFile('sd1');
    const occupied = await callCli(['convert', checkpoint, join(checkpoint, '..')]);
    expect(occupied.code).toBe(2);
    expect(occupied.stderr).toContain('expected an empty or a new folder, got one with files');
    const inFile = await callCli(['convert', checkpoint, checkpoint]);
    expect(inFile).toMatchObject({
      code: 2,
      stderr: `error: ${checkpoint}: expected a folder to write to, got a file. Choose another.\n`,
    });
    const ofFolder = await callCli(['convert', folder, out]);
    expect(ofFolder.code).toBe(2);
    expect(ofFolder.stderr).toContain(
      `${folder}: expected a checkpoint in one .safetensors file, got a folder.`,
    );
    await expect(stat(out)).rejects.toThrow('ENOENT');
  });
});
