/** @file Preference pairs that a gateway has kept, to be trained on again. */

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { at } from '../../../at.js';
import { TributaryError } from '../../../errors.js';
import { parseJsonOrNull } from '../../../models/files/json-file.js';
import type { TrainingSample } from '../../../models/policy/training-rows.js';
import type { Trajectory } from '../../../models/rollouts/sampler.js';
import type { RolloutGroup } from '../../../operators/index.js';
import { negativePart } from '../../../prompt-metadata.js';
import { trajectoriesCodec } from '../../transport/wire/rollout-codecs.js';

const index = z.int().min(0);
/** What training reads of a line; a gateway writes more. */
const pairSchema = z.object({ groupId: z.string(), chosen: index, rejected: index });

export type RecordedPair = Readonly<z.output<typeof pairSchema>>;

/**
 * Reads `pairs.jsonl` of a gateway's folder, in its order. Lines that cannot be read, and pairs whose group retention has
 * removed, are passed over and counted in a warning.
 *
 * Errors: TRIB_FILE if the file cannot be read, or no pair is left.
 */
export async function readPairs(
  folder: string,
  warn: (message: string) => void,
): Promise<readonly RecordedPair[]> {
  const path = join(folder, 'pairs.jsonl');
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw unreadable(path, cause.code ?? cause.message, 'Name the folder of a gateway.', cause);
  });
  const kept = new Set(await readdir(join(folder, 'groups')).catch(() => []));
  const lines = text.split('\n').filter((line) => line !== '');
  const pairs = lines
    .flatMap((line) => pairSchema.safeParse(parseJsonOrNull(line)).data ?? [])
    .filter(({ groupId }) => kept.has(groupId));
  if (pairs.length === 0)
    throw unreadable(path, `${lines.length} lines without one of a group that is there`, 'Collect choices.');
  if (pairs.length < lines.length)
    warn(
      `${path}: expected a pair of a group that is there on every line, got ${lines.length - pairs.length} that are none. They are passed over.`,
    );
  return pairs;
}

/** A pair as it is trained on, and the group that both pictures are of. */
export interface LoadedPair {
  readonly samples: readonly [preferred: TrainingSample, rejected: TrainingSample];
  readonly interval: RolloutGroup<Trajectory>['interval'];
}

/**
 * Loads the trajectories of pairs from `groups/<id>/trajectories.bin`; each group is read once. What is
 * damaged, or has no such picture, is left out. A pair is a group of its own to the trainer, with advantages 1 and -1.
 */
export async function loadPairs(
  folder: string,
  pairs: readonly RecordedPair[],
  warn: (message: string) => void,
): Promise<readonly LoadedPair[]> {
  const groups = new Map<string, RolloutGroup<Trajectory> | null>();
  for (const { groupId } of pairs) if (!groups.has(groupId)) groups.set(groupId, await load(groupId));
  return pairs.flatMap(({ groupId, chosen, rejected }, place) => {
    const group = groups.get(groupId);
    if (!group || chosen === rejected || Math.max(chosen, rejected) >= group.branches.length) return [];
    const sampleOf = (branch: number, advantage: number): TrainingSample => ({
      ...{ groupId: `pair ${place}`, prompt: group.prompt, advantage, stepAdvantages: null },
      ...negativePart(group.metadata),
      trajectory: at(group.branches, branch),
    });
    return [{ samples: [sampleOf(chosen, 1), sampleOf(rejected, -1)], interval: group.interval }];
  });

  async function load(groupId: string): Promise<RolloutGroup<Trajectory> | null> {
    const path = join(folder, 'groups', groupId, 'trajectories.bin');
    try {
      return trajectoriesCodec.decode(await readFile(path));
    } catch (error) {
      warn(
        `${path}: expected the trajectories of a group, got ${(error as Error).message}. Its pairs are left out.`,
      );
      return null;
    }
  }
}

function unreadable(path: string, got: string, nextStep: string, cause?: unknown): TributaryError {
  return new TributaryError('TRIB_FILE', `${path}: expected preference pairs, got ${got}. ${nextStep}`, {
    cause,
  });
}
