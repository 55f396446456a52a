/** @file What a run of the training graph is fed: rows, each a step of a trajectory or a noised picture. */

import { at, named } from '../../at.js';
import { TributaryError } from '../../errors.js';
import type { Port, Tensors } from '../engines/contract/engine.js';
import { timestepTensor } from '../networks/open-denoiser-graph.js';
import type { Pipeline } from '../pipeline/pipeline.js';
import type { Trajectory } from '../rollouts/sampler.js';
import { elementCount, float32 } from '../tensor.js';

/** What is trained on: the path of a leaf, and how good it was. */
export interface TrainingSample {
  readonly groupId: string;
  readonly prompt: string;
  /** As in `RolloutRequest`. */
  readonly negativePrompt?: string;
  readonly advantage: number;
  /** One per step of the trajectory; null where `advantage` holds for all of them. */
  readonly stepAdvantages: readonly number[] | null;
  readonly trajectory: Trajectory;
}

/** One row of a minibatch. */
export interface TrainingRow {
  readonly prompt: string;
  readonly negativePrompt?: string;
  /** Sampler step of a trajectory; null for a noised picture. */
  readonly step: number | null;
  readonly timestep: number;
  /** As in `Trajectory`. */
  readonly latentShape?: Trajectory['latentShape'];
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

/** The size of the latents of a unit, which all its rows have; empty where it is that of the pipeline. */
export const shapeOf = ([row]: RowUnit): string => row?.latentShape?.join('x') ?? '';

/**
 * Sorts the units of an update by the size of their latents: sizes in the order of `shapes`, units of one size in the order
 * that they had. A row keeps its weight, so the loss is the same mean over all rows.
 *
 * Errors: TRIB_CONFIG for a size that is none of them, as of rows that were recorded with other settings.
 */
export function sortedByShape(units: readonly RowUnit[], shapes: readonly string[]): readonly RowUnit[] {
  const sorted = shapes.flatMap((shape) => units.filter((unit) => shapeOf(unit) === shape));
  if (sorted.length === units.length) return sorted;
  const other = units.map(shapeOf).find((shape) => !shapes.includes(shape));
  const expected = shapes.map((shape) => shape || 'the common size').join(', ');
  const text = `training rows: expected latents of ${expected}, got ${other}. Train with the stages.sampler.buckets that drew them.`;
  throw new TributaryError('TRIB_CONFIG', text);
}

/**
 * Splits the units of an update into runs of at most `size` rows, in order. A run ends where the size of the latents changes,
 * and where the network takes one timestep for all rows, where the timestep does.
 */
export function* minibatches(
  units: readonly RowUnit[],
  size: number,
  oneTimestepARun: boolean,
): Generator<readonly RowUnit[]> {
  let start = 0;
  while (start < units.length) {
    const most = Math.floor(size / at(units, start).length);
    const limit = units.slice(start, start + most);
    const shape = shapeOf(at(units, start));
    const { timestep } = at(at(units, start), 0);
    const other = limit.findIndex(
      (unit) => shapeOf(unit) !== shape || (oneTimestepARun && unit[0]?.timestep !== timestep),
    );
    const minibatch = other > 0 ? limit.slice(0, other) : limit;
    yield minibatch;
    start += minibatch.length;
  }
}

/**
 * Arranges the rows of a minibatch in the order of the graph: the first rows of all units, then the second ones. Missing units
 * repeat the first unit with weight 0.
 */
export function arrange(units: readonly RowUnit[], size: number): TrainingRow[] {
  const first = at(units, 0);
  const places = size / first.length;
  return Array.from({ length: size }, (_, row) => {
    const [place, part] = [row % places, Math.floor(row / places)];
    return place < units.length ? at(at(units, place), part) : { ...at(first, part), weight: 0 };
  });
}

/** The prompts of the network's rows: with guidance, first what it leads away from, then those of the rows. */
export function promptsOfRows(
  { negativePrompt: common }: Pick<Pipeline, 'negativePrompt'>,
  rows: readonly TrainingRow[],
  guided: boolean,
): readonly string[] {
  const negatives = guided ? rows.map(({ negativePrompt = common }) => negativePrompt) : [];
  return [...negatives, ...rows.map(({ prompt }) => prompt)];
}

/** Embeddings of prompts by whom they are for: the policy, '', or a reference. */
export type RowTexts = Readonly<Record<string, (prompt: string) => Promise<Float32Array>>>;

/**
 * Returns the feeds of one run. With guidance the unconditional rows come first.
 *
 * Errors: TRIB_INTERNAL for an input that nobody feeds; TRIB_CONFIG for latents of another size.
 */
export async function rowFeeds(
  pipeline: Pipeline,
  rows: readonly TrainingRow[],
  inputs: readonly Port[],
  guidanceScale: number,
  texts: RowTexts = { '': pipeline.embedPrompt },
): Promise<Tensors> {
  const guided = pipeline.usesGuidance(guidanceScale);
  const size = rows.length;
  const latents = rows.map((row) => row.latents());
  const prompts = promptsOfRows(pipeline, rows, guided);
  const conditioning: Record<string, Tensors[string]> = {};
  for (const [reader, embed] of Object.entries(texts)) {
    const inputs = pipeline.conditioning(await Promise.all(prompts.map(embed)), guidanceScale);
    const prefix = reader === '' ? '' : `${reader}:`;
    for (const [name, tensor] of Object.entries(inputs)) conditioning[`${prefix}${name}`] = tensor;
  }
  const twice = <Value>(values: readonly Value[]) => (guided ? [...values, ...values] : values);
  const timesteps = twice(rows.map(({ timestep }) => timestep));
  const stack = (parts: readonly Float32Array[]) =>
    float32(concat(parts, elementCount(pipeline.latentShape)), [parts.length, ...pipeline.latentShape]);
  const column = (values: readonly number[]) => float32(values, [size]);
  const [first, firstLatents] = [at(rows, 0), at(latents, 0)];
  const feedOf = ({ name, type, shape }: Port): Tensors[string] => {
    if (name === 'timestep') return timestepTensor(timesteps, type, shape);
    if (conditioning[name]) return conditioning[name];
    if (name === 'sample') return stack(twice(latents.map(({ sample }) => sample)));
    if (name === 'advantage') return column(rows.map(({ advantage }) => advantage));
    if (name === 'weight') return column(rows.map(({ weight }) => weight));
    if (name in first.scalars) return column(rows.map(({ scalars }) => named(scalars, name)));
    if (name in firstLatents) return stack(latents.map((values) => named(values, name)));
    throw new TributaryError(
      'TRIB_INTERNAL',
      `training graph input "${name}": expected rows that feed it, got none. Build the graph for the same surrogate as the rows.`,
    );
  };
  return Object.fromEntries(inputs.map((input) => [input.name, feedOf(input)]));
}

function concat(parts: readonly Float32Array[], size: number): Float32Array {
  const whole = new Float32Array(parts.length * size);
  for (const [index, part] of parts.entries()) {
    if (part.length !== size) {
      const text = `training rows: expected latents of ${size} numbers, got ${part.length}. Train with the size of pictures that drew them.`;
      throw new TributaryError('TRIB_CONFIG', text);
    }
    whole.set(part, index * size);
  }
  return whole;
}
