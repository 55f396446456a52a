/** @file Runs that train all weights of the UNet: the same way through the streams as an adapter's. */

import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decode } from 'fast-png';
import { beforeAll, describe, expect, it } from 'vitest';
import { decodeSafetensors } from '../../../src/models/files/safetensors.js';
import { type ResolvedConfig, topologySchema } from '../../../src/streams/config/schema/topology-schema.js';
import { startSampler } from '../../../src/streams/stages/sampler/client.js';
import { callCli } from '../../cli/call-cli.js';
import { type EndedRun, eventsOf, metricsOf, runTiny, tinyConfig } from '../../fixtures/tiny-run.js';
import { snapshot } from '../../fixtures/undisturbed-tiny.js';

const WEIGHTS = 'diffusion_pytorch_model.safetensors';
const PROMPT = 'a red circle';
const FULL = [
  'model.train=full',
  'stages.trainer.learningRate=1e-3',
  'guards.klToPretrained={threshold: 1e6, action: warn}',
  'checkpoints.everyRounds=1',
  'stages.prompts.numRounds=2',
  'evaluation.imagesPerPrompt=1',
  'stages.sampler.numBranches=2',
  'stages.schedule.first=1',
  'stages.schedule.last=1',
];

let folder: string;
let config: ResolvedConfig;
/** The run that all tests look at, and its directory as it was after the first round. */
let whole: EndedRun;
const path = () => join(folder, 'whole');
const afterOneRound = () => join(folder, 'after-one-round');
const weights = () => join(path(), WEIGHTS);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tributary-full-'));
  config = await tinyConfig(folder, { overrides: FULL });
  let checkpoints = 0;
  whole = await runTiny({
    config,
    path: path(),
    onEvent: ({ kind }) => {
      if (kind === 'checkpoint' && ++checkpoints === 1) snapshot(path(), afterOneRound());
    },
  });
  return () => rm(folder, { recursive: true, force: true });
});

/** What `tributary sample` draws, with the weights of the run and without. */
async function drawn() {
  const sampler = {
    type: 'sampler',
    numInferenceSteps: 3,
    guidanceScale: 2,
    numBranches: 1,
    groupsPerBatch: 1,
  };
  const drawing = topologySchema.parse({
    version: 2,
    name: 'drawn',
    model: { pipeline: config.model.pipeline },
    engine: { threads: 1 },
    stages: { sampler },
    evaluation: { seed: 7 },
  });
  const { baseParameters, fileParameters, withPolicy, close } = await startSampler(drawing, () => {}, {
    places: [{ path: weights(), strength: 1 }],
    ignoresTextEncoder: false,
  });
  const draw = (parameters = baseParameters) =>
    withPolicy({ version: 0, parameters }, (call) =>
      call.sampleGrid({ prompts: [{ prompt: PROMPT }], columns: 1, scale: 1 }),
    );
  const pictures = { tuned: await draw(fileParameters ?? {}), base: await draw() };
  await close();
  return pictures;
}

describe('a run with model.train: full', () => {
  it('should train every weight, and go on from a checkpoint to the same bytes', async () => {
    expect(whole.error).toBe(undefined);
    expect(eventsOf(whole, 'finished').length).toBe(1);
    const resumed = await runTiny({ config, path: afterOneRound(), resume: true });
    expect(resumed.error).toBe(undefined);
    expect(eventsOf(resumed, 'round').map(({ metrics }) => metrics.round)).toEqual([1]);
    expect((await readFile(join(afterOneRound(), WEIGHTS))).equals(await readFile(weights()))).toBe(true);
    expect(await metricsOf(afterOneRound())).toEqual(await metricsOf(path()));
  });

  it('should start where another one ended, with the pretrained model as reference', async () => {
    const model = { ...config.model, startFrom: weights() };
    const second = await runTiny({ config: { ...config, model }, path: join(folder, 'second') });
    expect(second.error).toBeUndefined();
    const [first, after] = [whole, second].map((run) => {
      const [finished] = eventsOf(run, 'finished');
      const [round] = eventsOf(run, 'round');
      return { base: finished?.base.train, tuned: finished?.tuned.train, kl: round?.metrics.klToPretrained };
    });
    expect(after?.base).toBeDefined();
    expect(after?.base).toEqual(first?.tuned);
    expect(after?.base).not.toEqual(first?.base);
    // The first round trains from the policy that sampled it: the pretrained model, and the weights of the first run.
    expect(after?.kl).toBeGreaterThan(2 * (first?.kl ?? Number.NaN));
  });

  it('should draw with what it leaves, merge it, and say that there is no adapter to export', async () => {
    const { tensors } = decodeSafetensors(await readFile(weights()), WEIGHTS);
    expect(tensors.get('conv_in.weight')?.shape).toEqual([8, 3, 3, 3]);
    expect(await readdir(path())).not.toContain('pytorch_lora_weights.safetensors');
    const checkpoints = await readdir(join(path(), 'checkpoints'), { recursive: true });
    expect(checkpoints.some((name) => name.endsWith(WEIGHTS))).toBe(true);

    const { pipeline } = config.model;
    const merged = join(folder, 'merged');
    const merging = await callCli(['merge', weights(), '--pipeline', pipeline, '--out', merged]);
    expect(merging).toEqual({ code: 0, stdout: `${merged}\n`, stderr: '' });
    const png = join(folder, 'merged.png');
    const drawing = await callCli([
      ...['sample', '--pipeline', merged, '--prompt', PROMPT, '--out', png, '--seed', '7', '--guidance', '2'],
      ...['--images', '1', '--steps', '3', '--scale', '1', '--threads', '1'],
    ]);
    expect(drawing).toMatchObject({ code: 0 });
    const pixels = (bytes: Uint8Array) => [...decode(bytes).data];
    const again = pixels(await readFile(png));
    const { tuned, base } = await drawn();
    const apart = (one: number[] = [], other: number[] = []) =>
      Math.max(...one.map((value, i) => Math.abs(value - (other[i] ?? Number.NaN))));
    expect(apart(pixels(tuned), again)).toBeLessThanOrEqual(1);
    expect(apart(pixels(tuned), pixels(base))).toBeGreaterThan(1);

    const { code, stderr } = await callCli(['export', path()]);
    expect([code, stderr]).toEqual([
      2,
      expect.stringContaining('Write a whole pipeline with tributary merge.'),
    ]);
  });
});
