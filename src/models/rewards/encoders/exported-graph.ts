/** @file Graphs that others exported: opening them, and checking which ports they have and what fits them. */

import { at } from '../../../at.js';
import { TributaryError } from '../../../errors.js';
import { weightsOf } from '../../engines/compile-graph.js';
import type { Engine, Executable, Port } from '../../engines/contract/engine.js';
import { readModelFile } from '../../graph/onnx/model-file.js';
import { subModel } from '../../graph/onnx/sub-model.js';

interface Ports {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
}

/**
 * Reads and compiles a model file, or the part of it that some outputs need.
 *
 * Errors: TRIB_FILE if it cannot be read; TRIB_MODEL if it lacks such an output; TRIB_ENGINE if it is not a graph.
 */
export async function openGraph(
  engine: Engine,
  path: string,
  outputs?: readonly string[],
): Promise<Executable> {
  const file = await readModelFile(path);
  const model = outputs === undefined ? file.bytes : subModel(file.bytes, outputs, path);
  return engine.compile(model, { label: path, ...weightsOf(file) });
}

/** Errors: TRIB_MODEL if a graph lacks a port, naming those that it has. */
export function requirePorts(
  graph: Ports,
  label: string,
  wanted: { readonly inputs: readonly string[]; readonly outputs: readonly string[] },
): void {
  for (const kind of ['inputs', 'outputs'] as const) {
    const there = graph[kind].map(({ name }) => name);
    const missing = wanted[kind].filter((name) => !there.includes(name));
    if (missing.length > 0) throw missingFault(graph, label, kind, missing);
  }
}

/** Returns an input that `requirePorts` has found. */
export function portOf({ inputs }: Pick<Ports, 'inputs'>, name: string): Port {
  const found = inputs.filter((input) => input.name === name);
  return at(found, 0);
}

/** The names that transformers gives to features before projection, which fit no other encoder's. */
const NOT_PROJECTED = ['last_hidden_state', 'pooler_output'];

/**
 * Returns the port of a name, else the only port: exporters of OpenCLIP use other names ("image", "text", "embedding").
 *
 * Errors: TRIB_MODEL if there is neither.
 */
export function portNamed(graph: Ports, label: string, kind: keyof Ports, name: string): Port {
  const [first, ...others] = graph[kind];
  const only = first && others.length === 0 && !NOT_PROJECTED.includes(first.name) ? first : undefined;
  const found = graph[kind].find((port) => port.name === name) ?? only;
  if (found) return found;
  throw missingFault(graph, label, kind, [name]);
}

/** Errors: TRIB_MODEL if a graph takes an unknown input. */
export function requireKnownInputs(
  { inputs }: Pick<Ports, 'inputs'>,
  label: string,
  known: readonly string[],
) {
  const unknown = inputs.map(({ name }) => name).filter((name) => !known.includes(name));
  if (unknown.length === 0) return;
  throw new TributaryError(
    'TRIB_MODEL',
    `${label} inputs: expected ${known.join(', ')} at most, got ${unknown.join(', ')} too. Export it as docs/rewards.md says.`,
  );
}

/** Errors: TRIB_MODEL if a graph fixes an axis of a picture to another size. */
export function requireSize(port: Port, size: readonly number[], label: string, source: string): void {
  const axes = port.shape.slice(1);
  const fits =
    axes.length === size.length &&
    axes.every((axis, index) => typeof axis === 'string' || axis === size[index]);
  if (fits) return;
  throw new TributaryError(
    'TRIB_MODEL',
    `${label} input "${port.name}": expected pictures of [${size.join(', ')}] as ${source} makes them, got a graph for [${axes.join(', ')}]. Use the settings that belong to the model.`,
  );
}

/** Errors: TRIB_MODEL if features of two kinds cannot be compared, as the graphs declare different widths. */
export function requireOneWidth(
  picture: { readonly label: string; readonly port: Port },
  prompt: { readonly label: string; readonly port: Port },
): void {
  const [width, other] = [widthOf(picture.port), widthOf(prompt.port)];
  if (width === null || other === null || width === other) return;
  throw new TributaryError(
    'TRIB_MODEL',
    `${picture.label} output "${picture.port.name}": expected ${other} numbers as "${prompt.port.name}" of ${prompt.label} has, got ${width}. Take both halves from one export.`,
  );
}

/** Returns D of an output [B, D]; null if the graph leaves it open. */
export function widthOf({ shape }: Port): number | null {
  const last = shape.at(-1);
  return shape.length === 2 && typeof last === 'number' ? last : null;
}

function missingFault(
  graph: Ports,
  label: string,
  kind: keyof Ports,
  missing: readonly string[],
): TributaryError {
  const there = graph[kind].map(({ name }) => name).join(', ') || 'none';
  return new TributaryError(
    'TRIB_MODEL',
    `${label} ${kind}: expected ${missing.join(', ')}, got ${there}. Export it as docs/rewards.md says.`,
  );
}
