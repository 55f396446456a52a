import { describe, expect, it } from 'vitest';
import { describeTopology } from '../../../src/streams/config/describe.js';
import { loadTopology } from '../../../src/streams/config/load-topology.js';
import { deriveSizes } from '../../../src/streams/config/resolved/derived-sizes.js';
import { configOf } from './config-of.js';

describe('describeTopology', () => {
  it('should say what a run amounts to', () => {
    expect(Object.fromEntries(describeTopology(configOf()))).toEqual({
      seed: '7',
      transport: 'in-process',
      engine: 'cpu; 2 threads',
      'images a round': '128 (32 groups x 4 branches)',
      'reward queries': '3,072 in 24 rounds',
      'images an evaluation': '768',
      'trained steps': 'the last 7, growing to 10, of 10',
      'optimizer steps a round': 'at most 2 (64 samples, innerEpochs 1, 32 samples a step)',
      'UNet evaluations': '49,920 sampling, at most 26,112 training',
    });
  });

  it('should not speak of growth where there is none', () => {
    const config = configOf('stages.schedule={type: schedule, mode: constant, steps: 10}');
    expect(Object.fromEntries(describeTopology(config))['trained steps']).toBe('the last 10 of 10');
  });

  it.each([
    ['mode: window, length: 3', '0, 1, 2, then to 7, 8, 9 of 0..9'],
    ['mode: window, length: 10', 'the last 10 of 10'],
    ['mode: sparse, phases: [2, 5, 8]', '8, then to 2, 5, 8 of 0..9'],
    ['mode: sparse, phases: [1, 2]', 'the last 1, growing to 2, of 10'],
    ['mode: sparse, phases: [4]', '6 of 0..9'],
    ['mode: fraction, timestepFraction: 0.99', 'the first 9 of 10'],
    ['mode: fraction, timestepFraction: 1', 'the last 10 of 10'],
    ['mode: fraction, timestepFraction: 0.1', '0 of 0..9'],
  ])('should name the steps of %s', (schedule, text) => {
    const config = configOf(`stages.schedule={type: schedule, ${schedule}}`);
    expect(Object.fromEntries(describeTopology(config))['trained steps']).toBe(text);
  });

  it('should train all steps but the last in flow-grpo, as its program does', async () => {
    const described = describeTopology(await loadTopology('config/algorithms/flow-grpo.yaml'));
    expect(Object.fromEntries(described)['trained steps']).toBe('the first 5 of 6');
  });

  it.each([
    ['mode: floor-linear, first: 7, last: 10', '6 to 9: the last 7, growing to 10, of 10, without'],
    ['mode: constant, steps: 3', '2: the last 3 of 10, without'],
    ['mode: window, length: 3', '3 to 2: 0, 1, 2, then to 7, 8, 9 of 0..9, without'],
    ['mode: fraction, timestepFraction: 1', '9: the last 10 of 10, without'],
  ])('should say that a step which draws no noise is left out of %s', (schedule, text) => {
    const config = configOf(`stages.schedule={type: schedule, ${schedule}}`);
    expect(Object.fromEntries(describeTopology(config, { noisySteps: 9 }))['trained steps']).toBe(
      `${text} step 9, which arrives at the clean picture and draws no noise`,
    );
    expect(describeTopology(config, { noisySteps: 10 })).toEqual(describeTopology(config));
  });

  it('should say nothing of a step without noise that no round would train', () => {
    const config = configOf('stages.schedule={type: schedule, mode: fraction, timestepFraction: 0.99}');
    expect(describeTopology(config, { noisySteps: 9 })).toEqual(describeTopology(config));
  });

  it('should count a network once a step that takes the guidance scale', () => {
    const config = configOf('stages.sampler.guidanceScale=7');
    const [guided, distilled] = [{}, { takesScale: true }].map((model) => deriveSizes(config, model));
    expect(distilled?.samplingEvaluations).toBe((guided?.samplingEvaluations ?? 0) / 2);
    expect(distilled?.trainingEvaluations).toBe((guided?.trainingEvaluations ?? 0) / 2);
    const rows = Object.fromEntries(describeTopology(config, { takesScale: true }));
    expect(rows['UNet evaluations']).toContain(distilled?.samplingEvaluations.toLocaleString('en-US'));
  });

  it('should say when a round closes by time', () => {
    const described = describeTopology(configOf('stages.advantages.closeAfterMs=60000'));
    expect(Object.fromEntries(described)['a round closes']).toBe(
      'when all groups are in, or 60,000 ms after its first reward',
    );
  });

  it.each([
    ['train', 1, 48, 'at most 2 (64 samples, innerEpochs 1, 48 samples a step)'],
    [
      'drop',
      2,
      48,
      'at most 2 (64 samples, innerEpochs 2, 48 samples a step; what fills no step of a pass is left out)',
    ],
    [
      'carry',
      1,
      48,
      'at most 1 (64 samples, innerEpochs 1, 48 samples a step; what fills no step of a pass is left out)',
    ],
    [
      'carry',
      3,
      48,
      'at most 4 (64 samples, innerEpochs 3, 48 samples a step; up to 47 samples are carried into the next pass, or left out after the last)',
    ],
    [
      'carry',
      2,
      128,
      'at most 1 (64 samples, innerEpochs 2, 128 samples a step; up to 127 samples are carried into the next pass, or left out after the last)',
    ],
  ])(
    'should count updates and say what is carried: %s, %i passes, %i a step',
    (remainder, innerEpochs, size, text) => {
      const config = configOf(
        `stages.trainer.updates={from: round, innerEpochs: ${innerEpochs}, samplesPerUpdate: ${size}, remainder: ${remainder}}`,
      );
      expect(Object.fromEntries(describeTopology(config))['optimizer steps a round']).toBe(text);
    },
  );

  it.each([
    ['samplesPerUpdate: 64', [], true],
    ['samplesPerUpdate: 63', [], false],
    ['samplesPerUpdate: 64, innerEpochs: 2', [], false],
    ['samplesPerUpdate: 64', ['stages.trainer.maxStaleness=1'], false],
    ['samplesPerUpdate: 64', ['stages.trainer.surrogate={type: ddpo-sf}'], false],
  ])('should say that ratios stay 1 where one step a round is taken: %s %j', (updates, others, isSaid) => {
    const config = configOf(`stages.trainer.updates={from: round, ${updates}}`, ...others);
    expect(describeTopology(config).some(([name]) => name === 'ratios')).toBe(isSaid);
  });

  it.each([
    [48, 24, 'spread over 24 of the 48 rounds; the later ones keep their last values'],
    [2, 24, 'spread over 24 rounds, of which the run has 2'],
    [24, 24, undefined],
  ])(
    'should say over how many rounds schedules are spread: %i, planned %i',
    (numRounds, plannedRounds, text) => {
      const rounds = [
        `stages.prompts.numRounds=${numRounds}`,
        `stages.prompts.plannedRounds=${plannedRounds}`,
      ];
      expect(Object.fromEntries(describeTopology(configOf(...rounds))).schedules).toBe(text);
    },
  );

  it('should say what updates are drawn from', () => {
    const config = configOf(
      'stages.trainer.updates={from: replay, capacity: 2000, updatesPerRound: 3, transitionsPerUpdate: 20}',
    );
    expect(Object.fromEntries(describeTopology(config))['optimizer steps a round']).toBe(
      'at most 3 (20 transitions of a buffer of 2,000)',
    );
    const drawn = configOf(
      'stages.trainer.updates={from: replay, capacity: 2000, updatesPerRound: 3, transitionsPerUpdate: 20, drawsPerUpdate: 5}',
    );
    expect(Object.fromEntries(describeTopology(drawn))['optimizer steps a round']).toBe(
      'at most 3 (20 transitions in 5 draws of a buffer of 2,000)',
    );
  });
});

describe('describeTopology, of a run over Kafka', () => {
  const transportOf = (env: Record<string, string>, ...overrides: string[]) => {
    const config = configOf('transport.kind=kafka', ...overrides);
    return new Map(describeTopology(config, undefined, env)).get('transport');
  };
  const TRIBUTARY_KAFKA_BROKERS = 'a:9092, b.example:9093';

  it('should name its brokers: of the config, else of the environment, else on this machine', () => {
    const brokers = 'transport.kafka.brokers=[c:1]';
    expect(transportOf({ TRIBUTARY_KAFKA_BROKERS }, brokers)).toBe('kafka at c:1 (by the config)');
    expect(transportOf({ TRIBUTARY_KAFKA_BROKERS })).toBe(
      'kafka at a:9092, b.example:9093 (by TRIBUTARY_KAFKA_BROKERS)',
    );
    for (const env of [{}, { TRIBUTARY_KAFKA_BROKERS: ' ' }])
      expect(transportOf(env)).toBe('kafka at localhost:9092 (by the default)');
  });

  it.each(['a', 'a:9092,', 'http://a:9092', 'a:9092 b:9092'])('should refuse brokers in %s', (text) => {
    expect(() => transportOf({ TRIBUTARY_KAFKA_BROKERS: text })).toThrow(
      `TRIBUTARY_KAFKA_BROKERS: expected addresses host:port with commas between them, got "${text}". Correct it, or unset it for localhost:9092.`,
    );
  });
});
