/**
 * @file Two derivations of every gradient: this program's backward graph on onnxruntime, and the tape of TensorFlow.js over
 * the forward graph, on rollouts of the shapes model and of the small Stable Diffusion folders. Every surrogate is compared
 * over the presets' graphs (test/streams/run/tfjs-presets-run.test.ts); here it is networks.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, it } from 'vitest';
import * as z from 'zod';
import type { Engine } from '../../../../src/models/engines/contract/engine.js';
import { createTfjsEngine } from '../../../../src/models/engines/tfjs/engine.js';
import { SURROGATES, type SurrogateSettings } from '../../../../src/models/objectives/index.js';
import { openPipeline, type Pipeline } from '../../../../src/models/pipeline/pipeline.js';
import {
  expectClose,
  gradientsOf,
  type Sampled,
  sampleFor,
  unoptimized,
} from '../../../fixtures/engine-agreement.js';
import type { OpenTiny } from '../../../fixtures/open-tiny.js';
import { sharedEngine, withSharedAnalysis } from '../../../fixtures/shared-engine.js';
import { RUNS_ALL } from '../../../fixtures/test-all.js';
import { RUN_BACKEND } from '../../../fixtures/tfjs-backends.js';
import { writeTinyPipeline } from '../../../fixtures/tiny-pipeline.js';

/** Two derivations on the same kernels. */
const SAME_KERNELS = 1e-5;

/** Without a folder, a tiny one of the same layers is written. */
const FOLDERS = [
  ['the shapes model', RUNS_ALL ? 'models/shapes' : undefined],
  ...['sd1', 'sd2', 'sdxl'].map((name) => [name, `test/fixtures/stable-diffusion/${name}`] as const),
] as const;

/** With defaults, and bands so wide that a ratio off 1 leaves none of them. */
const SETTINGS = SURROGATES.entries.map(({ name, fields }) => {
  const settings = { type: name, ...z.object(fields as z.core.$ZodLooseShape).parse({}) };
  return { ...settings, ...('clipRange' in settings && { clipRange: 0.5 }) } as SurrogateSettings;
});
/** By folder: together they are steps and pictures, with and without the old policy's network. */
const FEW: Readonly<Record<string, readonly string[]>> = {
  'the shapes model': ['ddpo-is', 'diffusion-nft'],
  sd1: ['ddpo-is'],
  sd2: ['ddpo-is'],
  sdxl: ['diffusion-nft'],
};
/** Where all surrogates are compared when everything is: on the network that takes least time. */
const WHERE_ALL = 'sd1';
const ON_SAME_KERNELS = ['the shapes model', 'sdxl'];

const tfjs = (gradients: 'tape' | 'graph') =>
  withSharedAnalysis(createTfjsEngine({ backends: [RUN_BACKEND], threads: 1, gradients }));
const tape = tfjs('tape');
const graph = tfjs('graph');
const onnxRuntime = unoptimized(sharedEngine());
afterAll(async () => {
  await Promise.all([tape, graph, onnxRuntime].map((engine) => engine.close()));
});

describe.each(FOLDERS)('gradients of both engines: %s', (name, folder) => {
  let pipeline: Pipeline;
  const on = (engine: Engine): OpenTiny => ({ engine, pipeline, close: async () => undefined });
  const sampled = new Map<string, Promise<Sampled>>();
  const sampledFor = (surrogate: SurrogateSettings) => {
    const known = sampled.get(surrogate.type) ?? sampleFor(on(onnxRuntime), { surrogate });
    sampled.set(surrogate.type, known);
    return known;
  };
  const compared = SETTINGS.filter(
    ({ type }) => (RUNS_ALL && name === WHERE_ALL) || FEW[name]?.includes(type),
  );

  beforeAll(async () => {
    const own = await mkdtemp(join(tmpdir(), 'tributary-agreement-'));
    if (folder === undefined) await writeTinyPipeline(own);
    pipeline = await openPipeline(onnxRuntime, folder ?? own);
    return () => rm(own, { recursive: true, force: true });
  });

  const onTape = new Map<string, ReturnType<typeof gradientsOf>>();
  const onTapeFor = async (surrogate: SurrogateSettings) => {
    const known = onTape.get(surrogate.type) ?? gradientsOn(tape, surrogate);
    onTape.set(surrogate.type, known);
    return known;
  };
  const gradientsOn = async (engine: Engine, surrogate: SurrogateSettings) =>
    gradientsOf(on(engine), await sampledFor(surrogate), { surrogate });

  it.each(compared.map((surrogate) => [surrogate.type, surrogate] as const))(
    'should be the same for every LoRA parameter, and the loss: %s',
    async (_, surrogate) => {
      expectClose(await onTapeFor(surrogate), await gradientsOn(onnxRuntime, surrogate));
    },
  );

  it.runIf(RUNS_ALL || ON_SAME_KERNELS.includes(name))(
    'should be the same by the backward graph on the same kernels',
    async () => {
      const surrogate = SETTINGS.find(({ type }) => type === 'diffusion-nft') as SurrogateSettings;
      expectClose(await onTapeFor(surrogate), await gradientsOn(graph, surrogate), SAME_KERNELS);
    },
  );
});
