/** @file One onnxruntime session, in the thread that calls it: options, provider fallback, tensors in and out. */

import type * as Ort from 'onnxruntime-node';
import { TributaryError } from '../../../errors.js';
import { LARGE_BYTES } from '../../graph/graph.js';
import type { ElementArrays, ElementType, Tensor } from '../../tensor.js';
import type { EngineOptions, OnnxRuntimeProvider, Port, Tensors } from '../contract/engine.js';
import { loadRuntime } from './runtime.js';

const ort = loadRuntime();

const LEVELS = { none: 'disabled', basic: 'basic', all: 'all' } as const;

/** MatMul + Add would become a Gemm with another name, and LoRA finds its targets by the name of the MatMul. */
const NAMES_KEPT = { disable_specified_optimizers: 'MatMulAddFusion' };

/** Each node that reads mapped weights in half precision raises them for itself; no copy of all of them is kept. */
const RAISED_AS_READ = {
  constant_folding_max_output_size_in_bytes: `${LARGE_BYTES - 1}`,
  disable_specified_optimizers: 'CommonSubexpressionElimination',
};

/** What onnxruntime (1.30) says about a model that no provider can open. */
const MODEL_FAULT =
  /protobuf parsing failed|Model data pointer is null|This is an invalid model|Load model .* failed/;
/** What it says if a provider's library, driver or device is missing. */
const PROVIDER_ABSENT =
  /backend not found|Failed to load shared library|cannot open shared object|Failed to get a WebGPU adapter|no CUDA-capable device|CUDA driver version is insufficient|not enabled in this build/;

/** What it says if a provider does not take every node, and none may go to the CPU. */
const LEFT_TO_CPU = /graph nodes that are assigned to the default CPU EP/;

// What it prints on stderr is thrown here as an error anyway.
ort.env.logLevel = 'fatal';

interface SessionOptions {
  /** Threads of the session; default 1. */
  readonly threads?: number;
  readonly optimization: keyof typeof LEVELS;
  readonly label: string;
  /** Weights outside the model, by location. */
  readonly externalData?: ReadonlyMap<string, Uint8Array>;
  /** Folder of the other files that the model names. */
  readonly weightsFolder?: string | undefined;
  readonly raisesWeights?: boolean;
  /** Where to write the optimized model. */
  readonly optimizedModelPath?: string;
}

interface OpenSession {
  readonly session: Ort.InferenceSession;
  readonly provider: OnnxRuntimeProvider;
  readonly fallbacks: readonly string[];
}

/**
 * Opens a session on the first provider that takes the model. WebGPU is first tried without any node on the CPU: a model that
 * moves to the CPU halfway is slower than it looks, and `fallbacks` says so.
 */
export async function openSession(
  model: Uint8Array,
  engine: EngineOptions,
  options: SessionOptions,
): Promise<OpenSession> {
  const fallbacks: string[] = [];
  for (const provider of engine.providers) {
    try {
      if (provider === 'webgpu') {
        const alone = await createAlone(model, options);
        if (alone) return { session: alone, provider, fallbacks };
        fallbacks.push(
          `provider ${provider} does not have every operator of ${options.label}: some run on the CPU, and tensors cross over`,
        );
      }
      const session = await create(model, { ...options, provider });
      return { session, provider, fallbacks };
    } catch (cause) {
      const reason = reasonOf(cause);
      if (provider === 'cpu' || MODEL_FAULT.test(reason)) {
        const text = `${options.label}: expected a graph that onnxruntime can run, got "${reason}". Check the model with another version, or export it again.`;
        throw new TributaryError('TRIB_ENGINE', text, { cause });
      }
      fallbacks.push(
        `provider ${provider} ${PROVIDER_ABSENT.test(reason) ? 'is not there' : 'failed'}: ${reason}`,
      );
    }
  }
  const text = `${options.label}: expected one of the providers ${engine.providers.join(', ')}, got ${fallbacks.join('; ') || 'an empty list'}. Add cpu to engine.providers, or run tributary doctor.`;
  throw new TributaryError('TRIB_PROVIDER', text);
}

/** Creates a session whose nodes all run on WebGPU; undefined if it does not have every operator. */
async function createAlone(
  model: Uint8Array,
  options: SessionOptions,
): Promise<Ort.InferenceSession | undefined> {
  try {
    const entries = { disable_cpu_ep_fallback: '1' };
    return await create(model, { ...options, provider: 'webgpu', entries });
  } catch (cause) {
    if (LEFT_TO_CPU.test(reasonOf(cause))) return undefined;
    throw cause;
  }
}

interface CreateOptions extends SessionOptions {
  readonly provider: OnnxRuntimeProvider;
  /** More entries of onnxruntime's session config. */
  readonly entries?: Readonly<Record<string, string>>;
}

/**
 * Creates a session. On the CPU, a model with weights in files trades speed for memory: it does without the cache-friendly
 * layout of kernels, which is another copy of them, and without the arena, which never gives memory back.
 */
function create(model: Uint8Array, options: CreateOptions): Promise<Ort.InferenceSession> {
  const { provider, threads = 1, optimization, externalData, optimizedModelPath } = options;
  const isMapped = options.weightsFolder !== undefined && provider === 'cpu';
  const level = isMapped && optimization === 'all' ? 'extended' : LEVELS[optimization];
  return ort.InferenceSession.create(model, {
    executionProviders: [provider],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    graphOptimizationLevel: level,
    logSeverityLevel: 4,
    ...(externalData?.size && { externalData: [...externalData].map(([path, data]) => ({ path, data })) }),
    ...(optimizedModelPath !== undefined && { optimizedModelFilePath: optimizedModelPath }),
    extra: {
      session: { ...options.entries, ...mappedWeights(options) },
      optimization:
        isMapped && options.raisesWeights ? RAISED_AS_READ : optimization === 'basic' ? NAMES_KEPT : {},
    },
    ...(isMapped && { enableCpuMemArena: false, enableMemPattern: false }),
  });
}

/** On the CPU, weights are used in place in the mapped file: prepacking would give every session a copy of its own. */
function mappedWeights({ weightsFolder, provider }: CreateOptions): Record<string, string> {
  if (weightsFolder === undefined) return {};
  return {
    model_external_initializers_file_folder_path: weightsFolder,
    ...(provider === 'cpu' ? { disable_prepacking: '1' } : {}),
  };
}

/** Runs a session; returns fresh arrays. */
export async function runSession(open: OpenSession, feeds: Tensors, label: string): Promise<Tensors> {
  let results: Ort.InferenceSession.OnnxValueMapType;
  try {
    const inputs = Object.entries(feeds).map(([name, tensor]) => [name, toOrt(tensor)]);
    results = await open.session.run(Object.fromEntries(inputs));
  } catch (cause) {
    const text = `${label}: expected a run with inputs ${open.session.inputNames.join(', ')}, got "${reasonOf(cause)}". Check names, types and shapes.`;
    throw new TributaryError('TRIB_ENGINE', text, { cause });
  }
  return Object.fromEntries(
    Object.entries(results).map(([name, value]) => [name, fromOrt(value as Ort.Tensor)]),
  );
}

/** Inputs or outputs as the session declares them. */
export function ports(metadata: readonly Ort.InferenceSession.ValueMetadata[]): Port[] {
  return metadata.flatMap((port) =>
    port.isTensor ? [{ name: port.name, type: port.type as ElementType, shape: port.shape }] : [],
  );
}

function toOrt({ type, data, shape }: Tensor): Ort.Tensor {
  return new ort.Tensor(type, data as ElementArrays['float32'], [...shape]);
}

function fromOrt(value: Ort.Tensor): Tensor {
  return {
    type: value.type as ElementType,
    shape: [...value.dims],
    data: value.data as ElementArrays[ElementType],
  };
}

/** onnxruntime's message as one line, without the source location that it puts in front. */
function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .join('; ')
    .replace(/\/onnxruntime_src\/\S+ .*? was false\. /, '')
    .replace(/\.$/, '');
}
