/** @file One graph on TensorFlow.js: uploads feeds, runs the steps, takes gradients, downloads results. */

import { at } from '../../../at.js';
import { TributaryError } from '../../../errors.js';
import { type ElementType, elementCount, float32, type Tensor } from '../../tensor.js';
import type { CompileOptions, GradientRequest, Port, Tensors } from '../contract/engine.js';
import type { OpenGraph } from '../contract/engine-service.js';
import type { OpenBackend } from './backends.js';
import { Constants } from './constants.js';
import type { TfTensor } from './ops/op.js';
import { type Plan, planRun } from './plan.js';
import { readProgram } from './program.js';
import { runSteps, type Scope } from './run-steps.js';
import { gradientsOf } from './tape.js';
import { download, upload } from './tensors.js';

/** Opens a graph on a backend. */
export function openGraph(
  { tf, backend, fallbacks }: OpenBackend,
  model: Uint8Array,
  { label, gradients, ...weights }: CompileOptions,
): OpenGraph {
  const program = readProgram(model, weights, label);
  const plan = planRun(program, gradients);
  const constants = new Constants(tf, program.constants);
  const held = new Map<string, TfTensor>();

  function run(feeds: Tensors): Tensors {
    checkFeeds(program.inputs, feeds, held);
    const values = new Map(held);
    for (const { name } of program.inputs) {
      const feed = feeds[name];
      if (feed) values.set(name, upload(tf, feed, name));
    }
    const { differentiated } = plan;
    const scope = { tf, values, constants, feeds: new Set(values.keys()), differentiated };
    const results = () => downloadAll(program.outputs, scope);
    runSteps(scope, plan.untaped);
    return gradients ? differentiate(scope, plan, gradients, results) : results();
  }

  return {
    description: {
      inputs: program.inputs,
      outputs: [...program.outputs, ...gradientPorts(program.inputs, gradients)],
      provider: `tfjs-${backend}`,
      fallbacks,
    },
    hold(feeds) {
      for (const [name, tensor] of Object.entries(feeds)) {
        held.get(name)?.dispose();
        held.set(name, upload(tf, tensor, name));
      }
    },
    async run(feeds) {
      try {
        // `tidy` returns tensors only, and containers of them.
        let results: Tensors = {};
        tf.tidy(() => {
          results = run(feeds);
        });
        return results;
      } catch (cause) {
        throw inGraph(label, cause);
      }
    },
    async release() {
      for (const tensor of held.values()) tensor.dispose();
      held.clear();
      constants.dispose();
    },
  };
}

/** Runs the taped steps and adds the gradients to their results. */
function differentiate(
  scope: Scope,
  { taped: steps }: Plan,
  { loss, parameters, barriers }: GradientRequest,
  results: () => Tensors,
): Tensors {
  let outputs: Tensors = {};
  const sources = parameters.map((name) => scope.values.get(name) as TfTensor);
  const gradients = gradientsOf(scope.tf, sources, (cut) => {
    const made = (name: string, tensor: TfTensor) => (barriers.includes(name) ? cut(tensor) : tensor);
    runSteps({ ...scope, made }, steps);
    outputs = results();
    return resultOf(scope, loss);
  });
  return {
    ...outputs,
    ...Object.fromEntries(
      parameters.map((name, index) => {
        const { shape } = at(sources, index);
        const gradient = gradients[index];
        const zeros = () => float32(new Float32Array(elementCount(shape)), shape);
        return [`gradient:${name}`, gradient ? download(gradient, 'float32') : zeros()];
      }),
    ),
  };
}

function resultOf({ values, constants }: Pick<Scope, 'values' | 'constants'>, name: string): TfTensor {
  const constant = constants.find(name);
  const value = constant ? constants.uploaded(name, constant) : values.get(name);
  if (value) return value;
  const text = `output "${name}": expected a value that a step makes, got none. Export the model again.`;
  throw new TributaryError('TRIB_ENGINE', text);
}

function downloadAll(outputs: readonly Port[], scope: Scope): Tensors {
  return Object.fromEntries(outputs.map(({ name, type }) => [name, download(resultOf(scope, name), type)]));
}

function gradientPorts(inputs: readonly Port[], gradients: GradientRequest | undefined): Port[] {
  if (!gradients) return [];
  return gradients.parameters.flatMap((parameter) => {
    const port = inputs.find(({ name }) => name === parameter);
    return port ? [{ ...port, name: `gradient:${parameter}` }] : [];
  });
}

function checkFeeds(inputs: readonly Port[], feeds: Tensors, held: ReadonlyMap<string, TfTensor>): void {
  for (const port of inputs) {
    const feed = feeds[port.name];
    const fault = feed ? faultOf(port, feed) : held.has(port.name) ? undefined : 'it is missing';
    if (fault === undefined) continue;
    const text = `expected a run with inputs ${inputs.map(({ name }) => name).join(', ')}, got "input '${port.name}': ${fault}". Check names, types and shapes.`;
    throw new TributaryError('TRIB_ENGINE', text);
  }
}

function faultOf({ type, shape }: Port, feed: Tensor<ElementType>): string | undefined {
  if (feed.type !== type) return `expected ${type}, got ${feed.type}`;
  const fits =
    feed.shape.length === shape.length &&
    shape.every((size, axis) => typeof size === 'string' || size === feed.shape[axis]);
  if (!fits) return `expected [${shape.join(', ')}], got [${feed.shape.join(', ')}]`;
  const count = elementCount(feed.shape);
  return feed.data.length === count ? undefined : `expected ${count} elements, got ${feed.data.length}`;
}

/** Puts the graph's label in front of the message. */
function inGraph(label: string, cause: unknown): unknown {
  if (!(cause instanceof TributaryError)) return cause;
  return new TributaryError(cause.code, `${label}: ${cause.message}`, { cause });
}
