import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { callCli } from '../call-cli.js';

const CONFIG = `version: 2
name: mine
model: { pipeline: empty, startFrom: lora.safetensors }
stages:
  prompts: { type: prompts, train: none.txt, heldOut: gone.txt }
  schedule: { type: schedule, mode: floor-linear, first: 7, last: 10 }
  sampler: { type: sampler, numBranhes: 4 }
  reward: { type: reward, from: module, path: empty }
  advantages: { type: advantages, rule: branch-centered }
  trainer: { type: trainer }
`;
const GONE =
  'Correct the path, which is relative to the file that holds it, or leave files out with --no-files.';

describe('tributary lint, with the files that a config names', () => {
  let folder: string;
  let config: string;
  const inFolder = (name: string) => join(folder, name);
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tributary-lint-'));
    config = inFolder('mine.yaml');
    await writeFile(config, CONFIG);
    await mkdir(inFolder('empty'));
    await writeFile(inFolder('none.txt'), '# nothing\n');
  });

  afterAll(() => rm(folder, { recursive: true }));

  it('should report what is missing with all other faults, each at its place', async () => {
    const { code, stderr } = await callCli(['lint', config]);
    expect(code).toBe(2);
    expect(stderr.split('\n').filter((line) => line !== '')).toEqual([
      `error: ${config}:3:20 model.pipeline: expected what can be read, got no model_index.json in ${inFolder('empty')}. Name the folder of a pipeline, see docs/models.md.`,
      `error: ${config}:3:38 model.startFrom: expected a file or folder that is there, got ENOENT at ${inFolder('lora.safetensors')}. ${GONE}`,
      expect.stringContaining(`error: ${config}:5:36 stages.prompts.train: expected what can be read, got "`),
      `error: ${config}:5:55 stages.prompts.heldOut: expected a file that is there, got ENOENT at ${inFolder('gone.txt')}. ${GONE}`,
      expect.stringContaining(`error: ${config}:7:29 stages.sampler.numBranhes the key: expected one of`),
      `error: ${config}:8:47 stages.reward.path: expected a file, got a folder at ${inFolder('empty')}. Correct the path.`,
    ]);
  });

  it('should find a prompt for a reward that is not there, with its line', async () => {
    await writeFile(inFolder('asks.jsonl'), '{"prompt": "a"}\n{"prompt": "b", "reward": ["fit", "clip"]}\n');
    const asking = CONFIG.replace('none.txt', 'asks.jsonl')
      .replace('numBranhes', 'numBranches')
      .replace('reward: {', 'combine: { type: combine, parts: { fit: {} } }\n  fit: {');
    const file = inFolder('asks.yaml');
    await writeFile(file, asking);
    const { stderr } = await callCli(['lint', file]);
    expect(stderr).toContain(
      `error: ${file}:5:36 stages.prompts.train: expected what can be read, got "${inFolder('asks.jsonl')}:2 expected reward in the metadata to name one or several of fit, got "clip". Correct the name, or add the part to the config."`,
    );
  });

  it('should open none with --no-files', async () => {
    const { stderr } = await callCli(['lint', config, '--no-files']);
    expect(stderr).toContain('numBranhes');
    expect(stderr.trim().split('\n')).toHaveLength(1);
    await writeFile(config, CONFIG.replace('numBranhes', 'numBranches'));
    expect(await callCli(['lint', config, '--no-files'])).toMatchObject({ code: 0 });
  });

  it('should take a preset by its name, and say which are near another', async () => {
    expect(await callCli(['lint', 'tributary:shapes-ddpo'])).toMatchObject({ code: 0 });
    const { code, stderr } = await callCli(['lint', 'tributary:shapes-dpo']);
    expect([code, stderr.trim()]).toEqual([
      2,
      expect.stringMatching(
        /^error: config tributary:shapes-dpo: .* Did you mean "tributary:shapes-ddpo"\?$/,
      ),
    ]);
  });
});
