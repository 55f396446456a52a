import type { Client } from '../../models/threads/thread.js';
import { judgeCanary, NO_CHOICES, withChoice } from '../../operators/index.js';
import type { StageConfig } from '../config/schema/topology-schema.js';
import type { CanaryState } from '../directory/checkpoint-files.js';
import type { CanaryChoice, PolicySnapshot, ServedPolicies } from '../messages/messages.js';
import type { Alarm, CanaryFigures } from '../messages/run-events.js';
import type { TrainerService } from '../stages/trainer/trainer-thread.js';

/** Files of a checkpoint. */
const STABLE_FILE = 'stable.safetensors';
const CANARY_FILE = 'canary.safetensors';

export interface SavedCanary {
  readonly state: CanaryState;
  /** Files of the checkpoint, by name. */
  readonly files: Readonly<Record<string, Uint8Array>>;
  readonly read: (file: Uint8Array, name: string) => Promise<PolicySnapshot['parameters']>;
}

/** A policy, and its file as a checkpoint has it. */
interface KeptPolicy extends PolicySnapshot {
  readonly file: Uint8Array;
}

interface CanaryOptions {
  readonly settings: NonNullable<StageConfig<'gateway'>['serve']['canary']>;
  readonly trainer: Client<TrainerService>;
  /** Rounds that are complete. */
  readonly completeRounds: number;
  /** Of the checkpoint that the run goes on from; absent where it compared nothing. */
  readonly saved?: SavedCanary | undefined;
}

/** What a round's choices say of a canary. */
interface JudgedCanary {
  readonly figures: CanaryFigures;
  /** Why it was rolled back. */
  readonly alarm: Alarm | null;
}

export interface Canary {
  /**
   * Counts what people chose in a round, and judges the canary by all that they have. One that is promoted takes the
   * place of the stable policy, and the trainer's becomes the next canary. One that is rolled back leaves, and the
   * trainer goes on from the stable policy, with a fresh optimizer. Choices about an earlier canary say nothing, and
   * are passed over.
   */
  afterRound(completeRounds: number, choices: readonly CanaryChoice[]): Promise<JudgedCanary>;
  /** What people are given now. */
  served(): ServedPolicies;
  /** What the next checkpoint keeps. */
  saved(): { readonly state: CanaryState; readonly files: Readonly<Record<string, Uint8Array>> };
}

/**
 * Opens the comparison of policies by what people choose. Whatever the trainer holds in a new run counts as promoted.
 *
 * Errors: those of a file that is damaged.
 */
export async function openCanary({
  settings,
  trainer,
  completeRounds,
  saved,
}: CanaryOptions): Promise<Canary> {
  const newest = async (version: number): Promise<KeptPolicy> => {
    const { adapter: file } = await trainer.save(undefined);
    return { version, file, parameters: await trainer.parameters(undefined) };
  };
  const kept = async (name: string, version: number): Promise<KeptPolicy | undefined> => {
    const file = saved?.files[name];
    return file && saved && { version, file, parameters: await saved.read(file, name) };
  };
  let stable = (await kept(STABLE_FILE, saved?.state.stable ?? 0)) ?? (await newest(completeRounds));
  let canary = (await kept(CANARY_FILE, saved?.state.canary ?? 0)) ?? null;
  let tally = saved?.state.tally ?? NO_CHOICES;

  const rollBack = async (completeRounds: number): Promise<void> => {
    await trainer.returnTo({ adapter: stable.file, where: STABLE_FILE });
    // As old as the round that it goes on to.
    stable = { ...stable, version: completeRounds };
    canary = null;
  };
  const begin = async (completeRounds: number): Promise<void> => {
    canary = await newest(completeRounds);
    tally = NO_CHOICES;
  };
  return {
    async afterRound(completeRounds, choices) {
      const judged = canary;
      if (judged === null) {
        const figures = {
          ...{ stable: stable.version, canary: null, ...NO_CHOICES },
          ...({ interval: [0, 1], verdict: 'hold' } as const),
        };
        await begin(completeRounds);
        return { figures, alarm: null };
      }
      for (const choice of choices)
        if (choice.canary === judged.version) tally = withChoice(tally, choice.preference);
      const judgment = judgeCanary(tally, completeRounds - judged.version, settings);
      const figures = { stable: stable.version, canary: judged.version, ...tally, ...judgment };
      const { verdict } = judgment;
      if (verdict === 'promote') {
        stable = judged;
        await begin(completeRounds);
      }
      if (verdict === 'roll-back') await rollBack(completeRounds);
      return { figures, alarm: verdict === 'roll-back' ? alarmOf(figures, completeRounds) : null };
    },
    served: () => ({ stable: snapshotOf(stable), canary: canary && snapshotOf(canary) }),
    saved: () => ({
      state: { stable: stable.version, canary: canary?.version ?? null, tally },
      files: { [STABLE_FILE]: stable.file, ...(canary && { [CANARY_FILE]: canary.file }) },
    }),
  };
}

const snapshotOf = ({ version, parameters }: KeptPolicy): PolicySnapshot => ({ version, parameters });

function alarmOf(
  { stable, canary, wins, losses, interval: [lower, upper] }: CanaryFigures,
  round: number,
): Alarm {
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  return {
    guard: 'canary',
    action: 'roll-back',
    value: 1 - upper,
    threshold: 1 / 2,
    round,
    message: `canary after ${round === 1 ? '1 round' : `${round} rounds`}: expected people to choose pictures of policy ${canary} at least as often as those of policy ${stable}, got ${wins} of ${wins + losses} choices, a win rate of ${percent(lower)} to ${percent(upper)}. Lower learningRate. The trainer goes on from policy ${stable}.`,
  };
}
