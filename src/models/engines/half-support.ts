/** @file Whether an engine's device computes in half precision. onnxruntime only finds out at the first run. */

import { at } from '../../at.js';
import { TributaryError } from '../../errors.js';
import { halfConstants } from '../graph/half/half-constants.js';
import { toHalfPrecision } from '../graph/half/half-precision.js';
import { encodeGraph } from '../graph/onnx/encode.js';
import { GraphBuilder } from '../graph/ops/builder.js';
import { float32, float32Data } from '../tensor.js';
import type { Engine, Provider } from './contract/engine.js';

interface HalfSupport {
  /** What ran the graph; null if nothing could be opened. */
  readonly provider: Provider | null;
  /** Why it does not work; null if it does. */
  readonly problem: string | null;
}

/** Runs a matrix product in half precision: (1/3, 1/3) times (3, 3) is 2, up to its rounding. */
export async function halfSupport(engine: Engine): Promise<HalfSupport> {
  const g = new GraphBuilder();
  const weight = g.constant(float32([3, 3], [2, 1]));
  g.output(g.input('x', 'float32', [1, 2]).matMul(weight), 'y');
  const graph = toHalfPrecision(g.build(), { constants: halfConstants('half precision') });
  let provider: Provider | null = null;
  try {
    const executable = await engine.compile(encodeGraph(graph), { label: 'half precision' });
    provider = executable.provider;
    const { y } = await executable.run({ x: float32([1 / 3, 1 / 3], [1, 2]) });
    await executable.release();
    const product = at(float32Data(y, 'y'), 0);
    const isRight = Math.abs(product - 2) < 2e-3;
    return { provider, problem: isRight ? null : `2/3 x 3 came out as ${product}` };
  } catch (error) {
    if (!(error instanceof TributaryError)) throw error;
    const reason = /, got "(.*?)"\. /s.exec(error.message)?.[1] ?? error.message;
    // "Non-zero status code returned while running Cast node. ... Status Message: shader_helper.cc:416 GenerateSourceCode".
    return { provider, problem: reason.replace(/^.*Status Message: (\S+\.cc:\d+ \w+ )?/s, '') };
  }
}

/** Checks that the device computes in half precision. Errors: TRIB_PROVIDER if it does not. */
export async function requireHalf(engine: Engine): Promise<void> {
  const { provider, problem } = await halfSupport(engine);
  if (problem === null) return;
  const where = provider === null ? 'engine.providers' : `provider ${provider}`;
  const text = `${where}: expected a device that computes in half precision, as model.precision float16 asks for, got "${problem}". Set model.precision: float32, or another provider; tributary doctor shows which ones can.`;
  throw new TributaryError('TRIB_PROVIDER', text);
}
