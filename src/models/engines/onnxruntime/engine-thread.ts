/** @file The thread that holds onnxruntime's sessions, because its native calls block. */

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { workerData } from 'node:worker_threads';
import { serveThread } from '../../threads/thread.js';
import type { EngineOptions, Port, Tensors } from '../contract/engine.js';
import { createEngineService, type EngineService, type OpenModel } from '../contract/engine-service.js';
import { openSession, ports, runSession } from './session.js';

/** The calls that this engine's thread answers, in addition to those of every engine. */
export type OnnxRuntimeService = EngineService & {
  simplify(request: { model: Uint8Array; label: string }): Promise<Uint8Array>;
  outputPorts(request: { model: Uint8Array; label: string }): Promise<readonly Port[]>;
};

const engineOptions = workerData as EngineOptions;
/** For graphs that are only inspected. */
const onTheCpu: EngineOptions = { ...engineOptions, providers: ['cpu'] };

const openModel: OpenModel = async (model, { optimization = 'all', ...options }) => {
  const { label } = options;
  const open = await openSession(model, engineOptions, { ...options, optimization });
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

const withModelTools: OnnxRuntimeService = {
  ...service,
  async simplify({ model, label }) {
    const folder = await mkdtemp(join(tmpdir(), 'tributary-simplify-'));
    try {
      const path = join(folder, 'model.onnx');
      const options = { optimization: 'basic', label, optimizedModelPath: path } as const;
      const { session } = await openSession(model, onTheCpu, options);
      await session.release();
      return new Uint8Array(await readFile(path));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
  async outputPorts({ model, label }) {
    const { session } = await openSession(model, onTheCpu, { optimization: 'none', label });
    const found = ports(session.outputMetadata);
    await session.release();
    return found;
  },
};

serveThread(withModelTools, close);
