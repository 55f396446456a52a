/** @file The interpreter: applies one step after another, and takes care of memory and errors for every operator. */

import { TributaryError } from '../../../errors.js';
import { toIntegers } from '../../tensor.js';
import type { Constants } from './constants.js';
import type { Application, Tf, TfTensor } from './ops/op.js';
import type { PlannedStep } from './plan.js';

export interface Scope {
  readonly tf: Tf;
  /** Feeds and the outputs of steps, by name. */
  readonly values: Map<string, TfTensor>;
  readonly constants: Constants;
  /** Feeds, which a run does not free. */
  readonly feeds: ReadonlySet<string>;
  readonly differentiated: ReadonlySet<string>;
  /** Called with each output of a step; returns the tensor to use. */
  readonly made?: (name: string, tensor: TfTensor) => TfTensor;
}

/**
 * Runs steps. An operator's intermediates are freed after it, values after their last use.
 *
 * Errors: TRIB_ENGINE, with operator and node in front of what TensorFlow.js says.
 */
export function runSteps(scope: Scope, steps: readonly PlannedStep[]): void {
  const { values, feeds, made = (_, tensor) => tensor } = scope;
  for (const step of steps) {
    const outputs = apply(scope, step);
    for (const [index, name] of step.outputs.entries()) {
      const output = outputs[index];
      if (output && name !== '') values.set(name, made(name, output));
    }
    for (const name of step.frees) {
      if (feeds.has(name)) continue;
      values.get(name)?.dispose();
      values.delete(name);
    }
  }
}

function apply(scope: Scope, step: PlannedStep): readonly TfTensor[] {
  const { tf } = scope;
  try {
    return tf.tidy(() => {
      const application = applicationOf(scope, step);
      const result = step.apply(application);
      const outputs: readonly TfTensor[] = Array.isArray(result) ? result : [result as TfTensor];
      const given = new Set(step.inputs.map((name) => scope.values.get(name)));
      // An output that is one of the inputs must outlive it.
      return outputs.map((output) => (given.has(output) || output.kept ? tf.clone(output) : output));
    });
  } catch (cause) {
    if (cause instanceof TributaryError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    const text = `${step.op} "${step.name}": expected an operator that runs on ${tf.getBackend()}, got "${reason}". Use another backend, or the engine onnxruntime.`;
    throw new TributaryError('TRIB_ENGINE', text, { cause });
  }
}

function applicationOf({ tf, values, constants, differentiated }: Scope, step: PlannedStep): Application {
  const nameOf = (index: number) => step.inputs[index] ?? '';
  const input = (index: number): TfTensor => {
    const name = nameOf(index);
    const constant = constants.find(name);
    const tensor = constant ? constants.uploaded(name, constant) : values.get(name);
    if (tensor) return tensor;
    throw new Error(`input ${index} "${name}" is missing`);
  };
  const numbers = (index: number): number[] | undefined => {
    if (nameOf(index) === '') return undefined;
    const constant = constants.find(nameOf(index));
    return constant ? toIntegers(constant) : Array.from(input(index).dataSync());
  };
  return {
    tf,
    op: step.op,
    name: step.name,
    attributes: step.attributes,
    numInputs: step.inputs.length,
    numOutputs: step.outputs.length,
    has: (index) => nameOf(index) !== '',
    input,
    integers: numbers,
    floats: numbers,
    isDifferentiated: (index) => differentiated.has(nameOf(index)),
    laidOut(index, layout, lay) {
      const make = () => lay(input(index));
      return constants.find(nameOf(index)) ? constants.laidOut(nameOf(index), layout, make) : make();
    },
  };
}
