/** @file Training on a replay buffer and with a value baseline, as DPOK does. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Tensors } from '../../../src/models/engines/contract/engine.js';
import { decodeAdamWState, encodeAdamWState } from '../../../src/models/optimizers/adamw-state-file.js';
import type { ReplayBuffer, Transition } from '../../../src/models/policy/replay-buffer.js';
import { decodeReplayBuffer, encodeReplayBuffer } from '../../../src/models/policy/replay-buffer-file.js';
import type { PolicyState } from '../../../src/models/policy/trainer.js';
import type { TrainerSettings } from '../../../src/models/policy/trainer-settings.js';
import type { TrainingSample } from '../../../src/models/policy/training-rows.js';
import type { ValueBaseline } from '../../../src/models/policy/value-baseline.js';
import { openValueBaseline } from '../../../src/models/policy/value-baseline.js';
import { type OpenTiny, openTiny, openTinyTrainer } from '../../fixtures/open-tiny.js';
import { recorded, trainedRows } from '../../fixtures/recorded-engine.js';
import { sampleTiny, stageOf } from '../../fixtures/sample-tiny.js';

let tiny: OpenTiny;
/** Two rounds of twelve samples, three trained steps each: 36 transitions a round. */
let rounds: (readonly TrainingSample[])[];
let state: PolicyState;
beforeAll(async () => {
  tiny = await openTiny();
  const first = await sampleTiny(tiny);
  const second = await sampleTiny(tiny, { seed: 12 });
  rounds = [first.samples, second.samples];
  ({ state } = first);
});
afterAll(() => tiny.close());

const replaying = (changes: Partial<TrainerSettings['updates']> = {}): Partial<TrainerSettings> => ({
  updates: {
    from: 'replay',
    capacity: 50,
    updatesPerRound: 2,
    transitionsPerUpdate: 10,
    drawsPerUpdate: 1,
    ...changes,
  } as TrainerSettings['updates'],
});
const roundAt = (round: number) => stageOf(rounds[round] ?? [], { round });
const logProbsOf = (samples: readonly TrainingSample[] = []) =>
  samples.flatMap(({ trajectory }) => [...trajectory.logProbs]);
const logProbs = (buffer: ReplayBuffer) => buffer.map(({ logProb }) => logProb);
const ascending = (numbers: readonly number[]) => numbers.toSorted((a, b) => a - b);

/** A column of the rows that recorded runs trained on. */
const trainedColumn = (runs: readonly Tensors[], name: string) =>
  trainedRows(runs, name).map((row) => row[name] ?? Number.NaN);

describe('updates from the replay buffer', () => {
  it('should grow the buffer to its capacity, the oldest going first', async () => {
    const trainer = await openTinyTrainer(tiny, replaying());
    const { state: first, statistics } = await trainer.train(roundAt(0), state);
    expect(statistics.optimizerSteps).toBe(2);
    expect(logProbs(first.replay)).toEqual(logProbsOf(rounds[0]));
    expect(new Set(first.replay.map(({ policyVersion }) => policyVersion))).toEqual(new Set([0]));
    const { state: second } = await trainer.train(roundAt(1), first);
    expect(logProbs(second.replay)).toEqual([...logProbsOf(rounds[0]), ...logProbsOf(rounds[1])].slice(-50));
    expect(second.replay.filter(({ policyVersion }) => policyVersion === 1)).toHaveLength(36);
    expect(logProbs(first.replay)).toEqual(logProbsOf(rounds[0]));
  });

  it('should train on transitions of earlier rounds with the log-probs of the policy that made them', async () => {
    const { opened, runs } = recorded(tiny);
    const trainer = await openTinyTrainer(
      opened,
      replaying({ capacity: 72, updatesPerRound: 1, transitionsPerUpdate: 72 }),
    );
    const { state: first } = await trainer.train(roundAt(0), state);
    runs.length = 0;
    const { statistics } = await trainer.train(roundAt(1), first);
    const everything = [...logProbsOf(rounds[0]), ...logProbsOf(rounds[1])];
    expect(ascending(trainedColumn(runs, 'oldLogProb'))).toEqual(ascending(everything));
    // One update later, the policy is no longer the one that sampled.
    expect(statistics.maxRatioDeviation).toBeGreaterThan(1e-5);
  });

  it('should go on bit for bit from what a checkpoint keeps', async () => {
    const trainer = await openTinyTrainer(tiny, replaying());
    const { state: first } = await trainer.train(roundAt(0), state);
    const through = await trainer.train(roundAt(1), first);
    const resumed: PolicyState = {
      parameters: structuredClone(first.parameters),
      samplingParameters: structuredClone(first.samplingParameters),
      optimizer: decodeAdamWState(
        encodeAdamWState(first.optimizer),
        first.parameters,
        'optimizer.safetensors',
      ),
      replay: decodeReplayBuffer(encodeReplayBuffer(first.replay), 'replay.safetensors'),
    };
    const again = await openTinyTrainer(tiny, replaying());
    expect(await again.train(roundAt(1), resumed)).toEqual(through);
  });

  it('should go on with what the buffer holds where a round brings nothing', async () => {
    const trainer = await openTinyTrainer(tiny, replaying());
    const nothing = await trainer.train(stageOf([]), state);
    expect(nothing.statistics.optimizerSteps).toBe(0);
    expect(nothing.state).toEqual(state);
    const { state: first } = await trainer.train(roundAt(0), state);
    const { statistics, state: second } = await trainer.train(stageOf([], { round: 1 }), first);
    expect(statistics.optimizerSteps).toBe(2);
    expect(second.replay).toEqual(first.replay);
  });

  it('should keep no buffer where updates come from the round', async () => {
    const trainer = await openTinyTrainer(tiny);
    const { state: after } = await trainer.train(roundAt(0), state);
    expect(after.replay).toEqual([]);
  });
});

describe('a value baseline', () => {
  /** Predicts a quarter of the reward, and notes what it is asked. */
  function quarter() {
    const calls: string[] = [];
    const baseline: ValueBaseline = {
      async fit(buffer, round) {
        calls.push(`fit ${buffer.length} at ${round}`);
        return { loss: 0.125 };
      },
      async predict(transitions: readonly Transition[]) {
        calls.push(`predict ${transitions.length}`);
        return Float32Array.from(transitions, ({ reward }) => reward / 4);
      },
      save: () => new Uint8Array(),
      restore: () => {},
      release: async () => {},
    };
    return { baseline, calls };
  }

  it('should be learned first, then taken off what every step has earned', async () => {
    const { opened, runs } = recorded(tiny);
    const { baseline, calls } = quarter();
    const trainer = await openTinyTrainer(opened, {}, baseline);
    const { statistics } = await trainer.train(roundAt(0), state);
    expect(calls).toEqual(['fit 36 at 0', 'predict 36']);
    expect(statistics.valueLoss).toBe(0.125);
    expect(statistics.policyLoss).toBeCloseTo((-0.75 * (1.5 - 1 + 0.25)) / 3, 4);
    const advantages = (rounds[0] ?? []).flatMap(({ advantage }) =>
      new Array<number>(3).fill(0.75 * advantage),
    );
    expect(ascending(trainedColumn(runs, 'advantage'))).toEqual(ascending(advantages));
  });

  it('should learn from the buffer, and be asked at every update, where updates come from it', async () => {
    const { baseline, calls } = quarter();
    const trainer = await openTinyTrainer(tiny, replaying(), baseline);
    const { state: first } = await trainer.train(roundAt(0), state);
    await trainer.train(roundAt(1), first);
    expect(calls).toEqual([
      'fit 36 at 0',
      'predict 10',
      'predict 10',
      'fit 50 at 1',
      'predict 10',
      'predict 10',
    ]);
  });

  it('should not be learned from nothing', async () => {
    const { baseline, calls } = quarter();
    const trainer = await openTinyTrainer(tiny, {}, baseline);
    const { statistics } = await trainer.train(stageOf([]), state);
    expect(calls).toEqual([]);
    expect(statistics.valueLoss).toBeNull();
  });

  it('should work as the network that DPOK learns', async () => {
    const { pipeline, engine } = tiny;
    const baseline = await openValueBaseline(
      engine,
      { latentSize: 3 * 16 * 16, embedWidth: pipeline.embedsShape[1], numSteps: 5 },
      { learningRate: 1e-3, hidden: 16, batchSize: 32, stepsPerRound: 2, batchesPerStep: 1, seed: 1 },
      pipeline.embedPrompt,
    );
    const trainer = await openTinyTrainer(tiny, replaying(), baseline);
    const { statistics, state: after } = await trainer.train(roundAt(0), state);
    const plain = await (await openTinyTrainer(tiny, replaying())).train(roundAt(0), state);
    expect(statistics.valueLoss).toBeGreaterThan(0);
    expect(statistics.maxRatioDeviation).toBeLessThan(1e-5);
    expect(after.optimizer.firstMoments).not.toEqual(plain.state.optimizer.firstMoments);
    expect(after.replay).toEqual(plain.state.replay);
  });
});
