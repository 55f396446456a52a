/** @file TensorFlow.js's automatic differentiation. */

import { TributaryError } from '../../../errors.js';
import type { Tf, TfTensor } from './ops/op.js';

/**
 * Returns the gradients of a scalar with respect to tensors, `undefined` for those that it does not depend on. Call it inside
 * `tidy`.
 *
 * Errors: TRIB_ENGINE, naming the kernel, if the backend lacks one that a gradient needs.
 * @param forward computes the scalar. No gradient flows through `cut`, its argument: TensorFlow.js has no such operator, but
 *   a variable is a new tensor over the same data that the tape does not know.
 */
export function gradientsOf(
  tf: Tf,
  sources: readonly TfTensor[],
  forward: (cut: (tensor: TfTensor) => TfTensor) => TfTensor,
): readonly (TfTensor | undefined)[] {
  const engine = tf.engine();
  const variables: TfTensor[] = [];
  const cut = (tensor: TfTensor): TfTensor => {
    const variable = tf.variable(tensor, false);
    tensor.dispose();
    variables.push(variable);
    return variable;
  };
  try {
    // Allows parameters that the loss does not depend on.
    return engine.gradients(() => forward(cut), [...sources], undefined, true).grads;
  } catch (cause) {
    for (const { saved } of engine.state.activeTape ?? []) {
      for (const tensor of saved ?? []) tensor.dispose();
    }
    if (cause instanceof TributaryError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    const text = `gradients: expected operators that ${tf.getBackend()} can differentiate, got "${reason}". Set engine.tfjs.gradients to graph, or use another backend.`;
    throw new TributaryError('TRIB_ENGINE', text, { cause });
  } finally {
    for (const variable of variables) variable.dispose();
  }
}
