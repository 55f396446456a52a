/** @file The thread that holds TensorFlow.js, because its kernels block. */

import { workerData } from 'node:worker_threads';
import { serveThread } from '../../threads/thread.js';
import type { TfjsOptions } from '../contract/engine.js';
import { createEngineService, type EngineService } from '../contract/engine-service.js';
import { type OpenBackend, openBackend } from './backends.js';
import { openGraph } from './session.js';

/** The calls that this engine's thread answers, in addition to those of every engine. */
export type TfjsService = EngineService & {
  /** Counts the tensors that the backend holds. */
  countTensors(request: undefined): Promise<number>;
};

let opening: Promise<OpenBackend> | undefined;
const opened = () => {
  opening ??= openBackend(workerData as TfjsOptions);
  return opening;
};

const { service, close } = createEngineService(async (model, options) =>
  openGraph(await opened(), model, options),
);

const withCount: TfjsService = {
  ...service,
  countTensors: async () => (await opened()).tf.memory().numTensors,
};

serveThread(withCount, close);
