import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeLoraFile } from '../../../src/models/adapters/lora-file.js';
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
      `error: ${config}:3:20 model.pipeline: expected what can be read, got no model_index.json in ${inFolder('empty')}. Name the folder of a pipeline, or a checkpoint in one .safetensors file, see docs/models.md.`,
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

  it('should find prompts with words that the model does not know, as a run does', async () => {
    await writeFile(inFolder('unknown.txt'), 'a red circle\n# one\na redd circle\na cat\n');
    const file = inFolder('unknown.yaml');
    const text = `version: 2\nextends: tributary:shapes-ddpo\nstages: { prompts: { train: unknown.txt }, sampler: { eta: 3 } }\n`;
    await writeFile(file, text);
    const message = `${inFolder('unknown.txt')}:3 prompt "a redd circle" word 2: expected a word of the model's vocabulary, got "redd". Did you mean "red"? Also refused: line 4.`;
    const found = await callCli(['lint', file]);
    expect([found.code, found.stderr.split('\n')]).toEqual([
      2,
      [
        `error: ${file}:3:29 stages.prompts.train: expected what can be read, got "${message}". Correct what it names.`,
        expect.stringContaining('stages.sampler.eta: expected'),
        '',
      ],
    ]);
    expect((await callCli(['lint', file, '--no-files'])).stderr).not.toContain('redd');
    await writeFile(file, text.replace(', sampler: { eta: 3 }', ''));
    const refused = await callCli(['train', file, '--run-dir', inFolder('run')]);
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining(`error: ${message}\n`)]);
    // With `comments: false` the second line is a prompt.
    const plain = await callCli(['lint', file, '--set', 'stages.prompts.comments=false']);
    expect(plain.stderr).toContain('unknown.txt:2 prompt "# one"');
  });

  it('should find a tokenizer that is not there', async () => {
    await mkdir(inFolder('headless'));
    const scheduler = fileURLToPath(new URL('../../../models/shapes/scheduler', import.meta.url));
    await cp(scheduler, inFolder('headless/scheduler'), { recursive: true });
    await cp(join(scheduler, '../model_index.json'), inFolder('headless/model_index.json'));
    const { stderr } = await callCli([
      'lint',
      'tributary:shapes-ddpo',
      '--set',
      `model.pipeline=${inFolder('headless')}`,
    ]);
    expect(stderr).toContain(
      `headless/tokenizer: expected a folder with the tokenizer's vocabulary, got no such folder.`,
    );
  });

  it('should find a number of constants that is not that of the channels beside the latents', async () => {
    const model = inFolder('inpainting');
    await cp('test/fixtures/stable-diffusion/sd1', model, { recursive: true });
    const unet = join(model, 'unet/config.json');
    await writeFile(unet, (await readFile(unet, 'utf8')).replace('"in_channels": 4', '"in_channels": 9'));
    const lint = (...set: string[]) =>
      callCli([
        'lint',
        'tributary:shapes-ddpo',
        ...[`model.pipeline=${model}`, ...set].flatMap((one) => ['--set', one]),
      ]);
    for (const [set, got] of [
      [[], 'none'],
      [['model.extraChannels=[1, 0.5]'], '2'],
    ] as const)
      expect((await lint(...set)).stderr).toMatch(
        new RegExp(`model.extraChannels: expected 5 numbers, because the UNet of .* got ${got}`),
      );
    expect((await lint('model.extraChannels=[1, 0, 0, 0, -0.5]')).stderr).not.toContain('extraChannels');
    expect((await lint('model.extraChannels=[1, gray]')).stderr).toContain(
      'model.extraChannels[1]: expected a number in [-1000, 1000], got "gray"',
    );
  });

  it('should find a folder to start from that holds no adapter', async () => {
    const startFrom = `model.startFrom=${inFolder('empty')}`;
    const { stderr } = await callCli(['lint', 'tributary:shapes-ddpo', '--set', startFrom]);
    expect(stderr).toContain(
      `model.startFrom: expected what can be read, got "${inFolder('empty')}/pytorch_lora_weights.safetensors: expected the adapter of a run`,
    );
  });

  it('should find an adapter of another rank to start from, and a negative prompt that is not understood', async () => {
    const adapter = {
      key: 'unet.x',
      loraA: new Float32Array(4),
      loraB: new Float32Array(4),
      rank: 2,
      alpha: 2,
    };
    await writeFile(inFolder('two.safetensors'), encodeLoraFile([adapter]));
    await writeFile(
      inFolder('text.safetensors'),
      encodeLoraFile([adapter, { ...adapter, key: 'text_encoder.x' }]),
    );
    const ofText = [
      'lint',
      'tributary:shapes-ddpo',
      '--set',
      `model.startFrom=${inFolder('text.safetensors')}`,
    ];
    expect((await callCli(ofText)).stderr).toContain(
      'got 1 of text encoders that are not: "text_encoder.x".',
    );
    const settings = [
      `model.startFrom=${inFolder('two.safetensors')}`,
      'model.lora={rank: 4, alpha: 4}',
      'stages.sampler.negativePrompt=a blury circle',
    ];
    const { stderr } = await callCli([
      'lint',
      'tributary:shapes-ddpo',
      ...settings.flatMap((one) => ['--set', one]),
    ]);
    expect(stderr).toContain(
      `two.safetensors: expected rank 4 and alpha 4 as model.lora says, got rank 2 and alpha 2. Set model.lora to rank 2 and alpha 2."`,
    );
    expect(stderr).toContain(
      'error: --set stages.sampler.negativePrompt=a blury circle stages.sampler.negativePrompt: expected what the model can read, got "prompt "a blury circle" word 2: expected a word',
    );
  });

  it('should say that there is no model before it speaks of words, and train, too', async () => {
    const pipeline = inFolder('stabilityai/sdxl-turbo');
    const words = ['tributary:shapes-ddpo', '--set', `model.pipeline=${pipeline}`];
    for (const command of [['lint'], ['train', '--run-dir', inFolder('none')]]) {
      const { code, stderr } = await callCli([...command, ...words]);
      expect(code).not.toBe(0);
      expect(stderr).toContain(
        `${pipeline}: expected a pipeline folder with model_index.json, got no such folder.`,
      );
      expect(stderr).toContain('run npx tributary fetch stabilityai/sdxl-turbo');
    }
  });

  it('should open none with --no-files', async () => {
    const { stderr } = await callCli(['lint', config, '--no-files']);
    expect(stderr).toContain('numBranhes');
    expect(stderr.trim().split('\n')).toHaveLength(1);
    await writeFile(config, CONFIG.replace('numBranhes', 'numBranches'));
    expect(await callCli(['lint', config, '--no-files'])).toMatchObject({ code: 0 });
  });

  it('should load operators and rewards, but with --no-files, and train should before it makes a folder', async () => {
    const file = inFolder('modules.yaml');
    await writeFile(inFolder('number.mjs'), 'export default 7;\n');
    await writeFile(
      file,
      `version: 2
extends: tributary:shapes-ddpo
stages:
  odd: { type: operator, module: number.mjs, reads: prompts, writes: odd }
  sampler: { reads: { prompts: odd } }
  reward: { type: reward, from: module, path: number.mjs, options: { gain: 2 } }
`,
    );
    const said = [
      `error: ${file}:4:34 stages.odd.module: expected a default export that is a function from options to an RxJS operator, got number. Correct the module, see docs/topology.md.`,
      expect.stringContaining(
        `error: ${file}:6:47 stages.reward.path: expected it to export a function score`,
      ),
    ];
    const linesOf = ({ stderr }: { readonly stderr: string }) => stderr.trim().split('\n');
    expect(linesOf(await callCli(['lint', file]))).toEqual(said);
    const run = inFolder('never-begun');
    expect(linesOf(await callCli(['train', file, '--run-dir', run]))).toEqual(said);
    expect(linesOf(await callCli(['train', file, '--quick', '--run-dir', run]))).toEqual(said);
    expect(linesOf(await callCli(['run', file, '--run-dir', run]))).toEqual(said);
    expect(existsSync(run)).toBe(false);
    expect(await callCli(['lint', file, '--no-files'])).toMatchObject({ code: 0 });
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
