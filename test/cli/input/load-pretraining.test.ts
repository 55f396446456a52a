import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadPretraining } from '../../../src/cli/input/load-pretraining.js';

let folder = '';
let path = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pretraining-'));
  path = join(folder, 'p.yaml');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function faultsOf(change: (text: string) => string): Promise<string[]> {
  await writeFile(path, change(await readFile('config/pretrain-shapes.yaml', 'utf8')));
  const error = await loadPretraining(path).then(
    () => new Error('no fault'),
    (fault: Error) => fault,
  );
  return error.message.replaceAll(path, 'p.yaml').split('\n');
}

describe('loadPretraining', () => {
  test('should read the config that ships', async () => {
    const config = await loadPretraining('config/pretrain-shapes.yaml');
    expect(config).toMatchObject({
      seed: 1,
      pipeline: 'models/shapes',
      denoiser: { captionCorruption: 0.4, captionDropout: 0.1, templates: { relation: { weight: 2 } } },
      // Left to its default in the file.
      reward: { maxGradNorm: 1, candidates: 8 },
    });
  });

  test('should say all faults, each with its place', async () => {
    const faults = await faultsOf((text) =>
      text
        .replace('seed: 1', 'sed: 1')
        .replace('numSteps: 7000', 'numSteps: many')
        .replace('candidates: 8', 'candidates: 1')
        .replace('  blended: 0.15\n', '  blend: 0.15\n'),
    );
    expect(
      faults.map((fault) => fault.replace(/expected one of [^"]*, got/, 'expected one of ..., got')),
    ).toEqual(
      expect.arrayContaining([
        expect.stringMatching(
          /^p\.yaml:9:1 sed the key: expected one of \.\.\., got "sed"\. Did you mean "seed"\?$/,
        ),
        expect.stringMatching(/^p\.yaml:\d+:\d+ seed: expected an integer >= 0, got nothing\. Add `seed`\.$/),
        expect.stringMatching(
          /^p\.yaml:13:13 denoiser\.numSteps: expected an integer >= 1, got "many" \(string\)\. Change the value\.$/,
        ),
        expect.stringMatching(
          /^p\.yaml:\d+:15 reward\.candidates: expected an integer >= 2, got 1 \(number\)\. Change the value\.$/,
        ),
        expect.stringMatching(/^p\.yaml:\d+:3 reward\.blend the key: .* Did you mean "blended"\?$/),
        expect.stringMatching(
          /reward\.blended: expected a number in \[0, 1\], got nothing\. Add `blended`\.$/,
        ),
      ]),
    );
    expect(faults).toHaveLength(6);
  });

  test('should say where a text is no YAML', async () => {
    const [fault, ...others] = await faultsOf((text) => `${text}more: "`);
    expect(fault).toMatch(
      /^p\.yaml:\d+:\d+ YAML: expected text that can be parsed, got .*\. Correct this line\.$/,
    );
    expect(others).toEqual([]);
  });
});
