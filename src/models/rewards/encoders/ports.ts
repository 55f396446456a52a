/** @file Ports of graphs that others exported: which there are, and whether pictures and features fit. */

import { TributaryError } from '../../../errors.js';
import type { Port } from '../../engines/contract/engine.js';

interface Ports {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
}

/** @throws TRIB_MODEL where a graph lacks a port, naming those that it has. */
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

/** An input that `requirePorts` has found. */
export function portOf({ inputs }: Pick<Ports, 'inputs'>, name: string): Port {
  return inputs.find((input) => input.name === name) ?? { name, type: 'float32', shape: [] };
}

/** What transformers calls features that are not projected yet: they fit no other encoder's. */
const NOT_PROJECTED = ['last_hidden_state', 'pooler_output'];

/**
 * The port of a name; where there is none, the only one, since exporters of OpenCLIP give names of their own ("image", "text",
 * "embedding").
 * @throws TRIB_MODEL where there is neither.
 */
export function portNamed(graph: Ports, label: string, kind: keyof Ports, name: string): Port {
  const [first, ...others] = graph[kind];
  const only = first && others.length === 0 && !NOT_PROJECTED.includes(first.name) ? first : undefined;
  const found = graph[kind].find((port) => port.name === name) ?? only;
  if (found) return found;
  throw missingFault(graph, label, kind, [name]);
}

/** @throws TRIB_MODEL where a graph takes an input that nothing is known of. */
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

/** @throws TRIB_MODEL where a graph fixes an axis of a picture to another size. */
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

/**
 * Checks that features of two kinds can be compared, as far as the graphs say how wide they are.
 * @throws TRIB_MODEL where they say different widths.
 */
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

/** Numbers in a row of an output [B, D]; null where the graph leaves them open. */
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
