/** @file What a user can get wrong, seen from the whole run: one coded error, before anything is trained. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { TributaryError } from '../../../src/errors.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { eventsOf, runTiny, tinyConfig } from '../../fixtures/tiny-run.js';

/** The error of a run on a tiny pipeline in which something was spoilt. */
async function faultOfRun(
  spoil: (pipeline: string) => Promise<void> | void,
  overrides: readonly string[] = [],
): Promise<{ code: string; message: string; pipeline: string }> {
  const folder = await temporaryFolder();
  const config = await tinyConfig(folder, { overrides });
  const pipeline = join(folder, 'pipeline');
  await spoil(pipeline);
  const run = await runTiny({ config, path: join(folder, 'run') });
  expect(eventsOf(run, 'round')).toEqual([]);
  if (!(run.error instanceof TributaryError)) throw run.error ?? new Error('expected the run to fail');
  return { code: run.error.code, message: run.error.message, pipeline };
}

const nothing = () => {};

describe('a run on bad input', () => {
  it('should name file, line and nearest word where a prompt cannot be read', async () => {
    const { code, message, pipeline } = await faultOfRun((path) =>
      writeFile(join(path, 'prompts', 'held-out.txt'), 'one red circle\none redd square\n'),
    );
    expect([code, message]).toEqual([
      'TRIB_PROMPT',
      `${pipeline}/prompts/held-out.txt:2 prompt "one redd square" word 2: expected a word of the model's vocabulary, got "redd". Did you mean "red"?`,
    ]);
  });

  it('should name an empty prompt file', async () => {
    const { code, message, pipeline } = await faultOfRun((path) =>
      writeFile(join(path, 'prompts', 'train.txt'), '# nothing\n'),
    );
    expect([code, message]).toEqual([
      'TRIB_PROMPT',
      `${pipeline}/prompts/train.txt: expected at least one prompt, got none. Write one prompt a line.`,
    ]);
  });

  it('should name a prompt that the model cannot read', async () => {
    const { code, message, pipeline } = await faultOfRun((path) =>
      writeFile(join(path, 'prompts', 'train.txt'), 'a red circle and a blue square\nred red dragon\n'),
    );
    expect(code).toBe('TRIB_PROMPT');
    expect(message).toMatch(
      `${pipeline}/prompts/train.txt:2 prompt "red red dragon" word 3: expected a word`,
    );
  });

  it('should name a pattern that matches no layer', async () => {
    const { code, message, pipeline } = await faultOfRun(nothing, ['model.lora.pattern=attn7']);
    expect(code).toBe('TRIB_LORA');
    expect(message).toMatch(`${pipeline}/unet/model.onnx LoRA pattern "attn7": expected to match`);
  });

  it('should name a model file that is cut short', async () => {
    const { code, message, pipeline } = await faultOfRun((path) =>
      writeFile(join(path, 'unet', 'model.onnx'), new Uint8Array(40).fill(1)),
    );
    expect(code).toBe('TRIB_MODEL');
    expect(message).toMatch(`${pipeline}/unet/model.onnx: expected a`);
    expect(message).toMatch(/\(truncated\?\)\. Copy the file again\.$/);
  });

  it('should name providers that are not there', async () => {
    const { code, message } = await faultOfRun(nothing, ['engine.providers=[cuda]']);
    expect(code).toBe('TRIB_PROVIDER');
    expect(message).toMatch(
      /expected one of the providers cuda, got provider cuda is not there: .*Add cpu to engine\.providers/,
    );
  });
});
