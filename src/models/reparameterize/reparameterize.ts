/** @file Making a pipeline that predicts velocities out of one that predicts noise: other nodes, the same weights. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { TributaryError } from '../../errors.js';
import { createNoiseSchedule, type DdimSchedule } from '../diffusion/noise-schedule.js';
import {
  type AnySchedulerConfig,
  type SchedulerConfig,
  schedulerClass,
  schedulerConfigJson,
} from '../diffusion/scheduler-config.js';
import { type FolderContent, requireEmptyFolder, writeDirectoryAtomic } from '../files/atomic.js';
import { readJsonFile } from '../files/json-file.js';
import { readModelFile } from '../graph/onnx/model-file.js';
import type { DenoiserOnDisk } from '../networks/denoiser-family.js';
import { readPipelineFolder } from '../pipeline/pipeline-folder.js';
import { isOneFile } from '../pipeline/pipeline-source.js';
import { asFlow, asVPrediction } from './reparameterized-output.js';
import { type Wrapping, wrapDenoiser } from './wrap-denoiser.js';

/** What a reparameterized model can predict. */
export const REPARAMETERIZATIONS = ['v_prediction', 'flow'] as const;
export type Reparameterization = (typeof REPARAMETERIZATIONS)[number];

/** Parts of a pipeline folder that are copied as they are, if they exist. */
const COPIED = ['tokenizer', 'text_encoder', 'vae_decoder', 'reward', 'prompts'];

const JSON_FILE = {
  code: 'TRIB_MODEL',
  nextStep: 'Export the model with optimum (diffusers layout).',
} as const;

/**
 * Writes a pipeline folder whose network predicts v or a flow's velocity, from one whose network predicts noise. The
 * network is the same up to rounding, so it draws the same pictures; a flow also has noise levels that the network was not
 * trained on (see `asFlow`). The folder appears whole or not at all.
 *
 * A flow gets `shift` 1 and the model's number of training timesteps. Its input `timestep` is float32.
 *
 * Errors: TRIB_MODEL if the model predicts something else, is not in ONNX form, or its graph cannot be wrapped; TRIB_USAGE if `out` holds
 * files; TRIB_FILE if it cannot be written.
 */
export async function reparameterize(path: string, as: Reparameterization, out: string): Promise<void> {
  await requireEmptyFolder(out);
  const { scheduler, denoiser } = await readPipelineFolder(path);
  const epsilonScheduler = requireEpsilon(path, scheduler);
  requireGraph(path, denoiser);
  requireLatentsAlone(path, denoiser);
  const { config, wrapping } = wrappingFor(createNoiseSchedule(epsilonScheduler), as);
  const anyFields = z.record(z.string(), z.unknown(), { error: 'expected an object' });
  const index = await readJsonFile(join(path, 'model_index.json'), anyFields, JSON_FILE);
  const json = (content: unknown) => `${JSON.stringify(content, null, 2)}\n`;
  await writeDirectoryAtomic(out, {
    ...(await filesOf(path, [...COPIED, `${denoiser.family.component}/config.json`])),
    'model_index.json': json({ ...index, scheduler: ['diffusers', schedulerClass(config)] }),
    'scheduler/scheduler_config.json': json(schedulerConfigJson(config)),
    [`${denoiser.family.component}/model.onnx`]: wrapDenoiser(
      (await readModelFile(denoiser.modelPath)).bytes,
      denoiser.modelPath,
      wrapping,
    ),
  });
}

function wrappingFor(
  schedule: DdimSchedule,
  as: Reparameterization,
): { config: AnySchedulerConfig; wrapping: Wrapping } {
  const { config } = schedule;
  switch (as) {
    case 'v_prediction':
      return { config: { ...config, predictionType: as }, wrapping: asVPrediction(schedule) };
    case 'flow': {
      const { numTrainTimesteps } = config;
      return { config: { predictionType: as, numTrainTimesteps, shift: 1 }, wrapping: asFlow(schedule) };
    }
    default:
      return as satisfies never;
  }
}

async function filesOf(path: string, parts: readonly string[]): Promise<FolderContent> {
  const files: Record<string, Uint8Array> = {};
  for (const found of await readdir(path, { recursive: true })) {
    const name = found.replaceAll('\\', '/');
    const isCopied = parts.some((part) => name === part || name.startsWith(`${part}/`));
    if (isCopied && (await stat(join(path, name))).isFile())
      files[name] = new Uint8Array(await readFile(join(path, name)));
  }
  return files;
}

/** Nodes go around a graph; weights beside which one is built have nowhere to keep them. */
function requireGraph(path: string, { modelPath, network }: DenoiserOnDisk): void {
  if (network === null) return;
  const got = isOneFile(path) ? 'a checkpoint in one file' : 'weights as safetensors';
  const folder = isOneFile(path) ? '<folder>' : path;
  const first = isOneFile(path)
    ? `Write it as a folder, \`tributary convert ${path} <folder>\`, and export that`
    : 'Export it';
  const text = `${modelPath}: expected a UNet in ONNX form, to which nodes are added, got ${got}. ${first} with optimum: \`optimum-cli export onnx --model ${folder} <onnx folder>\`.`;
  throw new TributaryError('TRIB_MODEL', text);
}

/** The nodes around a network scale its input, and add it to its output. */
function requireLatentsAlone(path: string, { config: { channels, extraChannels } }: DenoiserOnDisk): void {
  if (extraChannels === 0) return;
  const text = `${path}: expected a network of ${channels} channels, which takes latents alone, got one of ${channels + extraChannels}. Start from such a model.`;
  throw new TributaryError('TRIB_MODEL', text);
}

function requireEpsilon(path: string, scheduler: AnySchedulerConfig): SchedulerConfig {
  if (scheduler.predictionType === 'epsilon') return scheduler;
  const text = `${path}: expected a model that predicts epsilon, got one that predicts ${scheduler.predictionType}. Start from such a model.`;
  throw new TributaryError('TRIB_MODEL', text);
}
