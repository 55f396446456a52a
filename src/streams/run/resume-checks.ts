/** @file Checks before a run goes on: its prompts, and how far its topics are. */

import { TributaryError } from '../../errors.js';
import { mostGroups } from '../config/resolved/derived-sizes.js';
import { stageOf } from '../config/resolved/stage-of.js';
import type { ResolvedConfig } from '../config/schema/topology-schema.js';
import type { RunState } from '../directory/checkpoint-files.js';
import type { Progress, TopicMessages } from '../messages/messages.js';
import type { PromptFile } from '../prompt-files/prompt-file.js';
import { type PromptFingerprint, trainingFingerprint } from '../prompt-files/prompt-fingerprint.js';
import type { PromptLists } from '../prompt-files/read-prompts.js';
import type { Transport } from '../transport/contract/transport.js';

/**
 * Refuses other prompts than a run began with: it would log two runs as one.
 *
 * Errors: TRIB_CHECKPOINT, naming the file and both lists.
 */
export function requireSamePrompts(
  lists: PromptLists,
  checkpoint: { readonly path: string; readonly state: Pick<RunState, 'promptFingerprints'> },
): void {
  const { train, heldOut, sources = {} } = checkpoint.state.promptFingerprints;
  const check = (setting: string, file: PromptFile | undefined, before: PromptFingerprint): void => {
    if (file === undefined || file.fingerprint.sha256 === before.sha256) return;
    throw new TributaryError(
      'TRIB_CHECKPOINT',
      `stages.prompts.${setting} ${file.path}: expected ${written(before)}, as in ${checkpoint.path}, got ${written(file.fingerprint)}. Restore the file; or start a new run from the adapter of this one, with --run-dir and model.startFrom.`,
    );
  };
  check('train', lists.train, train);
  check('heldOut', lists.heldOut, heldOut);
  for (const [name, before] of Object.entries(sources))
    check(`source.sources.${name}.file`, lists.sources?.[name], before);
}

/** Errors: TRIB_CONFIG if the trainer has other training prompts than the process that gives them to groups. */
export function requireTrainersPrompts(
  lists: Omit<PromptLists, 'heldOut'>,
  { trainPrompts }: Progress,
): void {
  const { path } = lists.train;
  const fingerprint = trainingFingerprint({ ...lists, heldOut: lists.train });
  if (trainPrompts === undefined || trainPrompts === fingerprint.sha256) return;
  throw new TributaryError(
    'TRIB_CONFIG',
    `stages.prompts.train ${path}: expected the prompts of the trainer (SHA-256 ${trainPrompts.slice(0, 16)}), got ${written(fingerprint)}. Give both processes the same file; \`tributary control <config> prompts <file>\` gives a run in progress other prompts.`,
  );
}

const written = ({ count, sha256 }: PromptFingerprint) => `${count} prompts (SHA-256 ${sha256.slice(0, 16)})`;

/**
 * Checks that a run can be repeated from its checkpoint up to where its topics are: the trainer receives all groups since then
 * again, and can hold only as many as lie between its oldest and newest checkpoint.
 *
 * Errors: TRIB_CHECKPOINT if the topics are further ahead, as when all checkpoints are damaged.
 */
export async function requireReach(
  transport: Transport<TopicMessages>,
  config: ResolvedConfig,
  completeRounds: number,
): Promise<void> {
  const { groupsPerRound, runAhead } = stageOf(config, 'prompts');
  const reached = (await transport.newest('progress'))?.round ?? 0;
  const groups = (reached - completeRounds) * groupsPerRound + runAhead;
  if (groups <= mostGroups(config)) return;
  const { keep, everyRounds } = config.checkpoints;
  throw new TributaryError(
    'TRIB_CHECKPOINT',
    `run ${config.name}: expected a checkpoint at most ${keep * everyRounds} rounds behind the topics, which are at round ${reached}, got one at round ${completeRounds}. Put a newer one back, raise checkpoints.keep to hold ${groups} groups in memory, or start anew with another --run-dir and transport.kafka.prefix.`,
  );
}
