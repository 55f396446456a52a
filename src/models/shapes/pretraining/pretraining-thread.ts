/** @file The thread in which a shapes network is trained from scratch. */

import { join } from 'node:path';
import { TributaryError } from '../../../errors.js';
import type { Engine, EngineOptions, Executable } from '../../engines/contract/engine.js';
import { createOnnxRuntimeEngine } from '../../engines/onnxruntime/engine.js';
import { writeFileAtomic } from '../../files/atomic.js';
import { encodeGraph } from '../../graph/onnx/encode.js';
import { loadTokenizer } from '../../pipeline/tokenizers/tokenizer.js';
import { type FitState, fitStep, initialFitState, weightFeeds } from '../../pretraining/fit.js';
import { readFitState, writeFitState } from '../../pretraining/fit-state-file.js';
import type { Trainee } from '../../pretraining/trainee.js';
import { elementCount } from '../../tensor.js';
import { serveThread } from '../../threads/thread.js';
import { shapesPromptFiles, shapesTokenizerFiles } from '../prompts/shapes-files.js';
import { denoiserTrainee } from './denoiser-trainee.js';
import { exportDenoiser, exportReward } from './export-models.js';
import type { PretrainingConfig, PretrainingPart } from './pretraining-config.js';
import { rewardTrainee } from './reward-trainee.js';

export interface PretrainingProgress {
  readonly step: number;
  readonly numSteps: number;
  readonly parameters: number;
  /** Mean loss over the steps just taken. */
  readonly loss: number;
}

export interface PretrainingService {
  open(request: {
    config: PretrainingConfig;
    part: PretrainingPart;
    engine: EngineOptions;
    checkpointPath: string;
    resume: boolean;
  }): Promise<PretrainingProgress>;
  /** Takes up to `steps` steps. */
  advance(request: { steps: number }, signal: AbortSignal): Promise<PretrainingProgress>;
  save(request: undefined): Promise<void>;
  /** Writes the model files from the average of the weights. */
  exportModels(request: undefined): Promise<void>;
}

interface Training {
  readonly config: PretrainingConfig;
  readonly part: PretrainingPart;
  readonly trainee: Trainee;
  readonly engine: Engine;
  readonly executable: Executable;
  readonly checkpointPath: string;
  readonly fingerprint: string;
  state: FitState;
}

let training: Training | undefined;

function requireOpen(): Training {
  if (training) return training;
  const text = 'pretraining: expected to be opened first, got another call. Call open first.';
  throw new TributaryError('TRIB_INTERNAL', text);
}

function progress({ state, config, part, trainee }: Training, loss: number): PretrainingProgress {
  const parameters = trainee.weights.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  return { step: state.step, numSteps: config[part].numSteps, parameters, loss };
}

async function writeTextFiles(folder: string): Promise<void> {
  for (const [name, content] of Object.entries(shapesTokenizerFiles()))
    await writeFileAtomic(join(folder, 'tokenizer', name), content);
  for (const [name, content] of Object.entries(shapesPromptFiles()))
    await writeFileAtomic(join(folder, 'prompts', name), content);
}

const service: PretrainingService = {
  async open({ config, part, engine: engineOptions, checkpointPath, resume }) {
    await writeTextFiles(config.pipeline);
    const tokenizer = loadTokenizer(join(config.pipeline, 'tokenizer'));
    const trainee =
      part === 'denoiser'
        ? denoiserTrainee(tokenizer, { seed: config.seed, ...config.denoiser })
        : rewardTrainee(tokenizer, { seed: config.seed, ...config.reward });
    const fingerprint = JSON.stringify({ part, seed: config.seed, ...config[part] });
    const saved = resume ? await readFitState(checkpointPath, fingerprint) : undefined;
    const engine = createOnnxRuntimeEngine(engineOptions);
    // The reward model's batch is one run, for which all threads work together.
    const isLarge = part === 'reward';
    const executable = await engine.compile(encodeGraph(trainee.graph), { label: trainee.label, isLarge });
    const state = saved ?? initialFitState(trainee, config.seed);
    training = { config, part, trainee, engine, executable, checkpointPath, fingerprint, state };
    return progress(training, Number.NaN);
  },
  async advance({ steps }, signal) {
    const current = requireOpen();
    const options = { seed: current.config.seed, ...current.config[current.part] };
    const losses: number[] = [];
    while (losses.length < steps && current.state.step < options.numSteps && !signal.aborted) {
      const { state, loss } = await fitStep(current.executable, current.trainee, current.state, options);
      current.state = state;
      losses.push(loss);
    }
    return progress(current, losses.reduce((sum, loss) => sum + loss, 0) / losses.length);
  },
  async save() {
    const { checkpointPath, state, fingerprint } = requireOpen();
    await writeFitState(checkpointPath, state, fingerprint);
  },
  async exportModels() {
    const { config, part, trainee, state } = requireOpen();
    const tokenizer = loadTokenizer(join(config.pipeline, 'tokenizer'));
    const weights = new Map(Object.entries(weightFeeds(trainee, state.average)));
    await (part === 'denoiser'
      ? exportDenoiser(config.pipeline, tokenizer, weights)
      : exportReward(config.pipeline, tokenizer, weights));
  },
};

serveThread(service, async () => training?.engine.close());
