/** @file Ports of graphs that others exported: which there are, and whether pictures fit. */

import { TributaryError } from '../../errors.js';
import type { Port } from '../engines/engine.js';

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
    if (missing.length === 0) continue;
    throw new TributaryError(
      'TRIB_MODEL',
      `${label} ${kind}: expected ${missing.join(', ')}, got ${there.join(', ') || 'none'}. Export it as docs/rewards.md says.`,
    );
  }
}

/** An input that `requirePorts` has found. */
export function portOf({ inputs }: Pick<Ports, 'inputs'>, name: string): Port {
  return inputs.find((input) => input.name === name) ?? { name, type: 'float32', shape: [] };
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
