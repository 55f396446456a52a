/** @file The backends of TensorFlow.js, loaded on demand: none of its packages has to be installed. */

import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { TributaryError } from '../../../errors.js';
import type { TfjsBackend, TfjsOptions } from '../contract/engine.js';
import type { Tf } from './ops/op.js';
import { replaceWasmKernels } from './wasm-kernels.js';

/** Installs what the engine needs on any machine. */
export const INSTALL_COMMAND = 'npm install @tensorflow/tfjs@4.22.0 @tensorflow/tfjs-backend-wasm@4.22.0';

// Node cannot load the ES modules of these packages, and only the bundle of the umbrella package has the gradients.
const require = createRequire(import.meta.url);

interface Candidate {
  /** The name that its package registers it under. */
  readonly registeredAs: string;
  /** Loads the package. */
  readonly load: (options: TfjsOptions) => void;
  /** Called once the backend is in use. */
  readonly started?: (tf: Tf) => void;
}

const native = (name: string): Candidate => ({
  registeredAs: 'tensorflow',
  load() {
    restoreNodeFunctions();
    require(name);
  },
});

const CANDIDATES: Readonly<Record<TfjsBackend, Candidate>> = {
  'node-gpu': native('@tensorflow/tfjs-node-gpu'),
  node: native('@tensorflow/tfjs-node'),
  wasm: {
    registeredAs: 'wasm',
    load({ threads }) {
      const name = '@tensorflow/tfjs-backend-wasm';
      const wasm = require(name) as typeof import('@tensorflow/tfjs-backend-wasm');
      const folder = dirname(require.resolve(`${name}/package.json`));
      wasm.setWasmPaths(join(folder, 'wasm-out', '/'));
      wasm.setThreadsCount(threads);
    },
    started: replaceWasmKernels,
  },
  cpu: { registeredAs: 'cpu', load: () => {} },
};

export interface OpenBackend {
  readonly tf: Tf;
  readonly backend: TfjsBackend;
  /** Why earlier backends could not be used. */
  readonly fallbacks: readonly string[];
}

/** Loads TensorFlow.js with the first available backend. Errors: TRIB_PROVIDER, naming the command that installs it. */
export async function openBackend(options: TfjsOptions): Promise<OpenBackend> {
  const tf = loadLibrary();
  const fallbacks: string[] = [];
  for (const backend of options.backends) {
    try {
      const { registeredAs, load, started } = CANDIDATES[backend];
      load(options);
      if (!(await tf.setBackend(registeredAs))) throw new Error('it did not start');
      started?.(tf);
      return { tf, backend, fallbacks };
    } catch (cause) {
      fallbacks.push(`backend ${backend} is not there: ${reasonOf(cause)}`);
    }
  }
  const text = `engine tfjs: expected one of the backends ${options.backends.join(', ')}, got ${fallbacks.join('; ') || 'an empty list'}. Add cpu to engine.tfjs.backends, or run tributary doctor.`;
  throw new TributaryError('TRIB_PROVIDER', text);
}

function loadLibrary(): Tf {
  try {
    const tf = require('@tensorflow/tfjs') as Tf;
    // Turns off its checks of every step, and the advice that it prints in Node.
    tf.enableProdMode();
    return tf;
  } catch (cause) {
    throw new TributaryError(
      'TRIB_PROVIDER',
      `engine tfjs: expected the package @tensorflow/tfjs, got "${reasonOf(cause)}". Add it with \`${INSTALL_COMMAND}\`.`,
      { cause },
    );
  }
}

/**
 * Restores two functions that Node 23 removed from `node:util` and tfjs-node 4.22 calls in every operator:
 * `isNullOrUndefined` and `isArray`. Does nothing if they are present.
 */
function restoreNodeFunctions(): void {
  const util = require('node:util') as Record<string, unknown>;
  util.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined;
  util.isArray ??= Array.isArray;
}

/** The first line: the rest of what a failed `require` says is a stack trace. */
function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replace(/\n.*/s, '').replace(/\.$/, '');
}
