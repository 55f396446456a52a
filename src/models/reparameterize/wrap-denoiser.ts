/**
 * @file Adding nodes before and after a denoiser's graph, in the model file itself: only the names where old and new nodes
 * meet change, so open axes stay open and weights keep their names.
 */
import { toBinary } from '@bufbuild/protobuf';
import { TributaryError } from '../../errors.js';
import type { Value } from '../graph/graph.js';
import { decodeModel, inputAxes } from '../graph/onnx/decode.js';
import { elementCode, elementTypeOf } from '../graph/onnx/element-codes.js';
import { encodeGraph } from '../graph/onnx/encode.js';
import { type GraphProto, ModelProtoSchema, type NodeProto } from '../graph/onnx/onnx_pb.js';
import { GraphBuilder } from '../graph/ops/builder.js';
import type { Expression } from '../graph/ops/expression.js';
import type { ElementType } from '../tensor.js';

/** The inputs that a wrapping sees. Sizes that the file leaves open appear as 1: constants must not depend on them. */
export interface WrappedInputs {
  /** [B, C, H, W] float32. */
  readonly sample: Expression;
  /** [B], or a scalar where the model takes one timestep for all rows. */
  readonly timestep: Expression;
}

export interface Wrapping {
  /** The type of the new model's timesteps; default: the model's own. */
  readonly timestepType?: ElementType;
  /** What the model gets in place of its inputs; default: the inputs. */
  readonly before?: (g: GraphBuilder, inputs: WrappedInputs) => WrappedInputs;
  /** The new output, from the new inputs and the model's output. */
  readonly after: (g: GraphBuilder, inputs: WrappedInputs, output: Expression) => Expression;
}

const OUTPUT = 'out_sample';
const INNER = 'wrapped:';

/**
 * Returns a denoiser's model file with nodes around it. The file keeps its opset, so the operators that a wrapping emits
 * must mean the same in every opset from 13 on.
 *
 * Errors: TRIB_MODEL if the file is no denoiser (sample, timestep -> out_sample), or if timesteps become float32 and the
 * model does more with integer ones than cast them.
 */
export function wrapDenoiser(
  bytes: Uint8Array,
  label: string,
  { timestepType, before, after }: Wrapping,
): Uint8Array {
  const model = decodeModel(bytes, label);
  const { graph } = model;
  const sample = denoiserInput(graph, 'sample', label);
  const timestep = denoiserInput(graph, 'timestep', label);
  requireOutput(graph, label);
  const declare = (g: GraphBuilder): WrappedInputs => ({
    sample: g.input('sample', sample.type, sample.shape),
    timestep: g.input('timestep', timestepType ?? timestep.type, timestep.shape),
  });
  if (timestepType && timestepType !== timestep.type) requireCast(graph, 'timestep', label);

  const replaced = new Set([OUTPUT]);
  const prologue = piece('before', (g) => {
    const inputs = declare(g);
    const given = before?.(g, inputs) ?? inputs;
    for (const name of ['sample', 'timestep'] as const) {
      if (given[name] === inputs[name]) continue;
      g.output(given[name], INNER + name);
      replaced.add(name);
    }
  });
  const epilogue = piece('after', (g) => {
    const inputs = declare(g);
    g.output(after(g, inputs, g.input(INNER + OUTPUT, sample.type, sample.shape)), OUTPUT);
  });
  rename(graph.node, (name) => (replaced.has(name) ? INNER + name : name));
  graph.node = [...prologue.node, ...graph.node, ...epilogue.node];
  graph.initializer = [...prologue.initializer, ...graph.initializer, ...epilogue.initializer];
  if (timestepType) setType(graph, 'timestep', timestepType);
  // Types of intermediates are inferred again: those that depend on the timestep may have changed.
  graph.valueInfo = [];
  return toBinary(ModelProtoSchema, model);
}

/** Returns the nodes and constants of a small graph under names that no model has; inputs and outputs keep theirs. */
function piece(name: string, build: (g: GraphBuilder) => void): Pick<GraphProto, 'node' | 'initializer'> {
  const g = new GraphBuilder();
  build(g);
  const built = g.build();
  if (built.nodes.length === 0) return { node: [], initializer: [] };
  const { node, initializer } = decodeModel(encodeGraph(built), `wrapping ${name}`).graph;
  const open = new Set([...built.inputs, ...built.outputs].map((value) => value.name));
  const scoped = (own: string) => `/reparameterize/${name}/${own.replace(/^\//, '')}`;
  const valueName = (value: string) => (value === '' || open.has(value) ? value : scoped(value));
  rename(node, valueName);
  for (const one of node) one.name = scoped(one.name);
  for (const tensor of initializer) tensor.name = valueName(tensor.name);
  return { node, initializer };
}

function rename(nodes: readonly NodeProto[], newName: (name: string) => string): void {
  for (const node of nodes) {
    node.input = node.input.map(newName);
    node.output = node.output.map(newName);
  }
}

function denoiserInput(graph: GraphProto, name: string, label: string): Omit<Value, 'name'> {
  const type = graph.input.find((input) => input.name === name)?.type?.value;
  const axes = inputAxes({ graph }).get(name);
  if (type?.case === 'tensorType' && axes) {
    return {
      type: elementTypeOf(type.value.elemType, `${label} input "${name}"`),
      shape: axes.map((size) => (typeof size === 'number' ? size : 1)),
    };
  }
  const text = `${label}: expected an input "${name}", got inputs ${graph.input.map((input) => input.name).join(', ')}. Export the model in the layout that optimum writes.`;
  throw new TributaryError('TRIB_MODEL', text);
}

function requireOutput(graph: GraphProto, label: string): void {
  const names = graph.output.map(({ name }) => name);
  if (names.includes(OUTPUT)) return;
  const text = `${label}: expected an output "${OUTPUT}", got outputs ${names.join(', ')}. Export the model in the layout that optimum writes.`;
  throw new TributaryError('TRIB_MODEL', text);
}

/** Operators that pass integers on unchanged, and those that read no integers. */
const PASSES_ON = ['Reshape', 'Unsqueeze', 'Squeeze', 'Expand', 'Flatten', 'Identity'];
const READS_NO_VALUES = ['Cast', 'Shape'];

/** Checks that a value may become float32: that nothing but its cast is ever computed with it. */
function requireCast(graph: GraphProto, name: string, label: string): void {
  for (const node of graph.node.filter(({ input }) => input.includes(name))) {
    if (READS_NO_VALUES.includes(node.opType)) continue;
    const [output] = node.output;
    if (!PASSES_ON.includes(node.opType) || node.input[0] !== name || output === undefined) {
      const text = `${label} ${node.opType} "${node.name}": expected integer timesteps to be cast to floats first, got them used as integers. Export the model with float32 timesteps.`;
      throw new TributaryError('TRIB_MODEL', text);
    }
    requireCast(graph, output, label);
  }
}

function setType(graph: GraphProto, name: string, type: ElementType): void {
  const value = graph.input.find((input) => input.name === name)?.type?.value;
  if (value?.case === 'tensorType') value.value.elemType = elementCode(type);
}
