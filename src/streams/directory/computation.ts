/** @file What the last bits of a run's results depend on. A checkpoint records it. */

import * as z from 'zod';
import type { Provider } from '../../models/engines/contract/engine.js';
import { onnxRuntimeVersion } from '../../models/engines/onnxruntime/installation.js';

export const computationSchema = z.object({
  /** Threads that compute one run, of the part that has most. Their number changes the order of sums in a matrix product of 2 to 64 rows. */
  threads: z.int().min(1),
  /** What the sampler's graph runs on, whatever was preferred. */
  sampler: z.string(),
  trainer: z.string(),
  /** Version of onnxruntime. */
  onnxruntime: z.string(),
});

export type Computation = z.output<typeof computationSchema>;

/** What a part runs its graphs on. */
interface RunsOn {
  readonly provider: Provider;
  readonly sessionThreads: number;
}

export function computationOf({
  sampler,
  reward,
  trainer,
}: {
  readonly sampler: RunsOn;
  readonly reward: Pick<RunsOn, 'sessionThreads'>;
  readonly trainer: RunsOn;
}): Computation {
  return {
    threads: Math.max(...[sampler, reward, trainer].map(({ sessionThreads }) => sessionThreads)),
    sampler: sampler.provider,
    trainer: trainer.provider,
    onnxruntime: onnxRuntimeVersion(),
  };
}

/** How to restore each of them. */
const REMEDIES: Readonly<Record<keyof Computation, (before: string | number) => string>> = {
  threads: (before) => `set engine.sessionThreads to ${before}`,
  sampler: (before) => `set engine.sampler and engine.providers so that the sampler runs on ${before}`,
  trainer: (before) => `set engine.trainer and engine.providers so that the trainer runs on ${before}`,
  onnxruntime: (before) => `install onnxruntime-node ${before}`,
};

const NAMES: Readonly<Record<keyof Computation, string>> = {
  threads: 'threads of a session',
  sampler: 'provider of the sampler',
  trainer: 'provider of the trainer',
  onnxruntime: 'version of onnxruntime',
};

/**
 * Returns a warning for each thing that has changed since a checkpoint: the run no longer repeats an undisturbed one byte for
 * byte, and how to restore that.
 */
export function computationChanges(checkpointPath: string, before: Computation, now: Computation): string[] {
  const keys = Object.keys(NAMES) as (keyof Computation)[];
  return keys
    .filter((key) => before[key] !== now[key])
    .map(
      (key) =>
        `${checkpointPath} ${NAMES[key]}: expected ${before[key]} as before the resume, got ${now[key]}. The run continues, but its result may differ in the last bits from that of an uninterrupted run. To restore identical results: ${REMEDIES[key](before[key])}.`,
    );
}
