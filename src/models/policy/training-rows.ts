/** @file What a run of the training graph is fed: rows, each a step of a trajectory or a noised picture. */

import type { Port, Tensors } from '../engines/contract/engine.js';
import { timestepTensor } from '../networks/open-denoiser-graph.js';
import type { Pipeline } from '../pipeline/pipeline.js';
import { elementCount, float32 } from '../tensor.js';

/** One row of a minibatch. */
export interface TrainingRow {
  readonly prompt: string;
  /** Sampler step of a trajectory; null for a noised picture. */
  readonly step: number | null;
  readonly timestep: number;
  /** Share of the update's loss. */
  readonly weight: number;
  readonly advantage: number;
  /** Further numbers, by graph input. */
  readonly scalars: Readonly<Record<string, number>>;
  /** `sample`, what the network sees, and further latents, by graph input; made when they are fed. */
  readonly latents: () => { readonly sample: Float32Array } & Readonly<Record<string, Float32Array>>;
}

/** Rows that belong together in one minibatch: a single one, or the preferred and the rejected half of a pair. */
export type RowUnit = readonly TrainingRow[];

/**
 * Splits the units of an update into runs of at most `size` rows, in order. Where the network takes one timestep for all
 * rows, a run ends where the timestep changes.
 */
export function* minibatches(
  units: readonly RowUnit[],
  size: number,
  oneTimestepARun: boolean,
): Generator<readonly RowUnit[]> {
  let start = 0;
  while (start < units.length) {
    const most = Math.floor(size / (units[start]?.length ?? 1));
    const limit = units.slice(start, start + most);
    const timestep = limit[0]?.[0]?.timestep;
    const other = limit.findIndex(([row]) => row?.timestep !== timestep);
    const minibatch = oneTimestepARun && other > 0 ? limit.slice(0, other) : limit;
    yield minibatch;
    start += minibatch.length;
  }
}

/** Rows of a minibatch in the order of the graph: all first rows of the units, then all second ones; missing units repeat the first with weight 0. */
export function arrange(units: readonly RowUnit[], size: number): TrainingRow[] {
  const perUnit = units[0]?.length ?? 1;
  const places = size / perUnit;
  return Array.from({ length: size }, (_, row) => {
    const [place, part] = [row % places, Math.floor(row / places)];
    const own = units[place]?.[part];
    return own ?? { ...(units[0]?.[part] as TrainingRow), weight: 0 };
  });
}

/** Feeds of one run, for those inputs that the graph has. With guidance the unconditional rows come first. */
export async function rowFeeds(
  pipeline: Pipeline,
  rows: readonly TrainingRow[],
  inputs: readonly Port[],
  guided: boolean,
): Promise<Tensors> {
  const size = rows.length;
  const latents = rows.map((row) => row.latents());
  const embeds = await Promise.all(rows.map(({ prompt }) => pipeline.embedPrompt(prompt)));
  const empty = guided ? await pipeline.embedPrompt('') : undefined;
  const twice = <Value>(values: readonly Value[]) => (guided ? [...values, ...values] : values);
  const timesteps = twice(rows.map(({ timestep }) => timestep));
  const conditioning = pipeline.conditioning(empty ? [...rows.map(() => empty), ...embeds] : embeds);
  const feeds: Record<string, Tensors[string]> = {};
  for (const { name, type, shape } of inputs) {
    const stacked = (parts: readonly Float32Array[], partShape: readonly number[]) =>
      float32(concatenated(parts, elementCount(partShape)), [parts.length, ...partShape]);
    const column = (values: readonly number[]) => float32(values, [size]);
    if (name === 'timestep') feeds[name] = timestepTensor(timesteps, type, shape);
    else if (conditioning[name]) feeds[name] = conditioning[name];
    else if (name === 'sample')
      feeds[name] = stacked(twice(latents.map(({ sample }) => sample)), pipeline.latentShape);
    else if (name === 'advantage') feeds[name] = column(rows.map(({ advantage }) => advantage));
    else if (name === 'weight') feeds[name] = column(rows.map(({ weight }) => weight));
    else if (rows[0] && name in rows[0].scalars)
      feeds[name] = column(rows.map(({ scalars }) => scalars[name] ?? 0));
    else if (latents[0] && name in latents[0])
      feeds[name] = stacked(
        latents.map((values) => values[name] ?? new Float32Array()),
        pipeline.latentShape,
      );
  }
  return feeds;
}

function concatenated(parts: readonly Float32Array[], size: number): Float32Array {
  const whole = new Float32Array(parts.length * size);
  for (const [index, part] of parts.entries()) whole.set(part, index * size);
  return whole;
}
