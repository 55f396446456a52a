/** @file The thread that holds onnxruntime's sessions. Its native calls block, which is why they live here. */

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { workerData } from 'node:worker_threads';
import type { EngineOptions, Tensors } from '../engine.js';
import type { EngineService, OpenModel } from '../engine-service.js';
import { createEngineService } from '../engine-service.js';
import { serveThread } from '../thread.js';
import { openSession, ports, runSession } from './session.js';

/** The calls that this engine's thread answers beside those of every engine. */
export type OnnxRuntimeService = EngineService & {
  simplify(request: { model: Uint8Array; label: string }): Promise<Uint8Array>;
};

const engineOptions = workerData as EngineOptions;

const openModel: OpenModel = async (model, options) => {
  const { label, optimization = 'all', externalData = new Map() } = options;
  const open = await openSession(model, engineOptions, { optimization, label, externalData });
  let held: Tensors = {};
  const { provider, fallbacks, session } = open;
  return {
    description: {
      provider,
      fallbacks,
      inputs: ports(session.inputMetadata),
      outputs: ports(session.outputMetadata),
    },
    hold(feeds) {
      held = { ...held, ...feeds };
    },
    run: (feeds) => runSession(open, { ...held, ...feeds }, label),
    release: () => session.release(),
  };
};

const { service, close } = createEngineService(openModel);

const withSimplify: OnnxRuntimeService = {
  ...service,
  async simplify({ model, label }) {
    const folder = await mkdtemp(join(tmpdir(), 'tributary-simplify-'));
    try {
      const path = join(folder, 'model.onnx');
      const { session } = await openSession(
        model,
        { ...engineOptions, providers: ['cpu'] },
        { optimization: 'basic', label, optimizedModelPath: path },
      );
      await session.release();
      return new Uint8Array(await readFile(path));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};

serveThread(withSimplify, close);
