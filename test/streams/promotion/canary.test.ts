import { expect, it } from 'vitest';
import type { Client } from '../../../src/models/threads/thread.js';
import type { CanaryChoice } from '../../../src/streams/messages/messages.js';
import { openCanary, type SavedCanary } from '../../../src/streams/promotion/canary.js';
import type { TrainerService } from '../../../src/streams/stages/trainer/trainer-thread.js';

const SETTINGS = { share: 1, confidence: 0.9, leastChoices: 4, mostRounds: 5 };

/** A trainer whose policy is one number, which it counts up with every round. */
async function start(saved?: SavedCanary, completeRounds = 0) {
  let value = completeRounds;
  const trainer = {
    save: async () => ({ adapter: Uint8Array.of(value), optimizer: new Uint8Array(), extras: {} }),
    parameters: async () => ({ w: Float32Array.of(value) }),
    returnTo: async ({ adapter }) => {
      value = adapter[0] ?? -1;
    },
  } satisfies Partial<Client<TrainerService>> as unknown as Client<TrainerService>;
  const canary = await openCanary({ settings: SETTINGS, trainer, completeRounds, saved });
  let round = completeRounds;
  const served = () => {
    const { stable, canary: other } = canary.served();
    return [stable, other].map((one) => one && [one.version, one.parameters.w?.[0]]);
  };
  return {
    canary,
    served,
    value: () => value,
    /** Trains a round, in which so many choices were won by the canary of a version, and lost. */
    async round(version = 0, wins = 0, losses = 0) {
      value += 1;
      round += 1;
      const choices: CanaryChoice[] = [
        ...Array.from({ length: wins }, () => ({ canary: version, preference: 1 as const })),
        ...Array.from({ length: losses }, () => ({ canary: version, preference: -1 as const })),
      ];
      return canary.afterRound(round, choices);
    },
  };
}

it('should give the next policy beside the first, and promote it when people prefer it', async () => {
  const { round, served } = await start();
  expect(served()).toEqual([[0, 0], null]);
  expect(await round()).toEqual({
    figures: { stable: 0, canary: null, wins: 0, losses: 0, ties: 0, interval: [0, 1], verdict: 'hold' },
    alarm: null,
  });
  expect(served()).toEqual([
    [0, 0],
    [1, 1],
  ]);
  expect((await round(1, 4, 0)).figures).toMatchObject({ wins: 4, losses: 0, verdict: 'hold' });
  const { figures, alarm } = await round(1, 3, 0);
  expect(figures).toMatchObject({ stable: 0, canary: 1, wins: 7, verdict: 'promote' });
  expect(alarm).toBeNull();
  expect(served()).toEqual([
    [1, 1],
    [3, 3],
  ]);
});

it('should pass over votes that come late, for a canary that is gone', async () => {
  const { round } = await start();
  await round();
  await round(1, 7, 0);
  const { figures } = await round(1, 0, 9);
  expect(figures).toMatchObject({ stable: 1, canary: 2, wins: 0, losses: 0, verdict: 'hold' });
});

it('should take the trainer back to what people prefer, as a policy of the round that begins', async () => {
  const { round, served, value } = await start();
  await round();
  const { figures, alarm } = await round(1, 0, 8);
  expect(figures).toMatchObject({ stable: 0, canary: 1, losses: 8, verdict: 'roll-back' });
  expect(alarm).toMatchObject({ guard: 'canary', action: 'roll-back', threshold: 0.5, round: 2 });
  expect(alarm?.value).toBeGreaterThan(0.5);
  expect(alarm?.message).toMatch(
    /^canary after 2 rounds: expected .* policy 1 .* as those of policy 0, got 0 of 8 choices, .* goes on from policy 0\.$/,
  );
  expect(value()).toBe(0);
  expect(served()).toEqual([[2, 0], null]);
  await round();
  expect(served()).toEqual([
    [2, 0],
    [3, 1],
  ]);
});

it('should promote what nobody speaks against when its rounds are over', async () => {
  const { round, served } = await start();
  await round();
  for (let count = 0; count < 4; count++) expect((await round(1, 1, 1)).figures.verdict).toBe('hold');
  expect((await round(1, 1, 1)).figures.verdict).toBe('promote');
  expect(served()).toEqual([
    [1, 1],
    [6, 6],
  ]);
});

it('should go on from a checkpoint as if it had not been left', async () => {
  const before = await start();
  await before.round();
  await before.round(1, 4, 0);
  const { state, files } = before.canary.saved();
  const read = async (file: Uint8Array) => ({ w: Float32Array.from(file) });
  const after = await start({ state, files, read }, 2);
  expect(after.served()).toEqual(before.served());
  expect(await after.round(1, 3, 0)).toEqual(await before.round(1, 3, 0));
  expect(after.served()).toEqual(before.served());
});
