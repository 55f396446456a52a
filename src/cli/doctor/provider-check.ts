import { TributaryError } from '../../errors.js';
import type {
  Engine,
  OnnxRuntimeProvider,
  Provider,
  TfjsBackend,
} from '../../models/engines/contract/engine.js';
import { halfSupport } from '../../models/engines/half-support.js';
import { createOnnxRuntimeEngine } from '../../models/engines/onnxruntime/engine.js';
import { createTfjsEngine } from '../../models/engines/tfjs/engine.js';
import { encodeGraph } from '../../models/graph/onnx/encode.js';
import { GraphBuilder } from '../../models/graph/ops/builder.js';
import { float32, float32Data } from '../../models/tensor.js';

export interface ProviderCheck {
  readonly provider: Provider;
  /** Null where it works, else why not. */
  readonly problem: string | null;
}

export interface OnnxRuntimeCheck extends ProviderCheck {
  /** Why the provider cannot compute in half precision (model.precision: float16); null where it can, or does not work at all. */
  readonly halfProblem: string | null;
}

/** Says whether a provider of onnxruntime works. */
export async function checkProvider(provider: OnnxRuntimeProvider): Promise<OnnxRuntimeCheck> {
  const engine = createOnnxRuntimeEngine({ providers: [provider], threads: 1 });
  try {
    const found = await check(provider, engine);
    const halfProblem = found.problem === null ? (await halfSupport(engine)).problem : null;
    return { ...found, halfProblem };
  } finally {
    await engine.close();
  }
}

/** Says whether a backend of TensorFlow.js works. */
export async function checkBackend(backend: TfjsBackend): Promise<ProviderCheck> {
  const engine = createTfjsEngine({ backends: [backend], threads: 1, gradients: 'tape' });
  try {
    return await check(`tfjs-${backend}`, engine);
  } finally {
    await engine.close();
  }
}

/** Runs a graph of one node: being listed proves nothing. */
async function check(provider: Provider, engine: Engine): Promise<ProviderCheck> {
  try {
    const g = new GraphBuilder();
    g.output(g.input('x', 'float32', [2]).add(1), 'y');
    const executable = await engine.compile(encodeGraph(g.build()), { label: 'check' });
    const { y } = await executable.run({ x: float32([1, 2], [2]) });
    const sums = [...float32Data(y, 'y')].join(' ');
    return { provider, problem: sums === '2 3' ? null : `1 + 1 and 2 + 1 came out as ${sums}` };
  } catch (error) {
    if (error instanceof TributaryError) return { provider, problem: reasonOf(error.message) };
    throw error;
  }
}

/** The engine's own words, without what a user of a whole config would be told around them. */
function reasonOf(message: string): string {
  const after = message.split(/(?:provider|backend) [\w-]+ is not there: /)[1] ?? message;
  return after.replace(/\. Add (?:cpu to engine\.|it with `).*$/, '').trim();
}
