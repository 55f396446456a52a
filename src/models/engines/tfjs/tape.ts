/** @file The automatic differentiation of TensorFlow.js. */

import { TributaryError } from '../../../errors.js';
import type { Tf, TfTensor } from './ops/op.js';

/**
 * The gradients of a scalar with respect to tensors, `undefined` for those that it does not depend on. Call it inside of
 * `tidy`.
 *
 * @param forward computes the scalar. What goes through the `cut` that it is given gets no gradient: TensorFlow.js has no
 *   such operator, but a variable is a new tensor over the same data, of which the tape knows nothing.
 * @throws TRIB_ENGINE where the backend lacks the kernel of a gradient, naming it.
 */
export function taped(
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
    // Parameters that the loss does not depend on are no error here.
    return engine.gradients(() => forward(cut), [...sources], undefined, true).grads;
  } catch (cause) {
    for (const { saved } of engine.state.activeTape ?? []) for (const tensor of saved ?? []) tensor.dispose();
    if (cause instanceof TributaryError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TributaryError(
      'TRIB_ENGINE',
      `gradients: expected operators whose gradients ${tf.getBackend()} has, got "${reason}". Set engine.tfjs.gradients to graph, or use another backend.`,
      { cause },
    );
  } finally {
    for (const variable of variables) variable.dispose();
  }
}
