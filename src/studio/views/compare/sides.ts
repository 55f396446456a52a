/** @file What can be compared: the pictures of every evaluation of every run. */

import { signal } from '@preact/signals';
import type { RunSamples, RunSummary } from '../../../client/types.js';
import { runAddress } from '../../api/addresses.js';
import { request } from '../../api/request.js';

/** The pictures of one policy. */
export interface Side {
  /** The run, as in addresses. */
  readonly run: string;
  readonly round: number;
  readonly label: string;
  readonly samples: RunSamples;
}

/** The runs that the server has; null before it has said so. */
export const runs = signal<readonly RunSummary[] | null>(null);
export const sides = signal<readonly Side[]>([]);

const MOST_RUNS = 20;

/** Asks for the runs, and for the evaluations of each that have pictures. */
export async function loadSides(): Promise<void> {
  const { runs: found } = await request<{ readonly runs: readonly RunSummary[] }>('v1/runs');
  runs.value = found.slice(0, MOST_RUNS);
  const lists = await Promise.all(
    runs.value.map(async ({ id, name }): Promise<Side[]> => {
      const samples = await request<RunSamples>(`${runAddress(id)}/samples`).catch(() => null);
      return (samples?.rounds ?? []).map((round) => ({
        run: id,
        round,
        samples: samples as RunSamples,
        label: `${name}, ${round === 0 ? 'base model' : `after ${round} ${round === 1 ? 'round' : 'rounds'}`}`,
      }));
    }),
  );
  sides.value = lists.flat();
}

/** Says which side it is, in a list and in what is kept. */
export function keyOf({ run, round }: Side): string {
  return `${run}@${round}`;
}
