import { describe, expect, it } from 'vitest';
import { lintTopology } from '../../../src/streams/config/lint-topology.js';
import { schedule, trainer } from './stage-lines.js';
import { SMALLEST, withLine } from './valid-config.js';

const messagesOf = (text: string, overrides: string[] = []) =>
  lintTopology(text, 'a.yaml', { overrides }).faults.map(({ message }) => message);

describe('lintTopology', () => {
  it('should fill in every default', () => {
    const { config, faults } = lintTopology(SMALLEST, 'a.yaml');
    expect(faults).toEqual([]);
    expect(config).toMatchObject({
      name: 'tiny',
      seed: 7,
      model: {
        train: 'adapter',
        precision: 'float32',
        lora: { rank: 4, alpha: 4 },
      },
      engine: {
        sampler: 'onnxruntime',
        trainer: 'onnxruntime',
        providers: ['cpu'],
        threads: 2,
        tfjs: { backends: ['node-gpu', 'node', 'wasm', 'cpu'], gradients: 'tape' },
      },
      transport: { kind: 'in-process', capacity: 64, maxAttempts: 3 },
      topics: { prompts: 'prompts', 'dead-letters': 'dead-letters' },
      stages: {
        prompts: { choice: 'uniform', groupsPerRound: 32, numRounds: 24, runAhead: 32 },
        advantages: { minGap: 0.5, keep: 'extremes', historyRounds: 8, stdFloor: 0 },
        sampler: {
          forkPlan: 'interval',
          forkSteps: [],
          stochasticSteps: 'all',
          sde: 'flow-grpo',
          logProb: 'gaussian',
          sampleFrom: 'policy',
        },
        trainer: {
          surrogate: { type: 'ddpo-is', clipRange: 1e-4, advClipMax: 5 },
          updates: { from: 'round', innerEpochs: 1, samplesPerUpdate: 32 },
          value: { type: 'none' },
          samplingPolicyDecay: 0,
          maxStaleness: 0,
          learningRate: 3e-4,
        },
      },
      evaluation: { everyRounds: 8, seed: 1234, eta: 1 },
      guards: {
        rewardCollapse: { threshold: 1, action: 'warn' },
        ratioDrift: { threshold: 0.05, action: 'warn' },
        klToPretrained: { threshold: 10, action: 'off' },
        zeroSpreadGroups: { threshold: 0.9, action: 'warn' },
        diversityLoss: { threshold: 0.25, action: 'warn' },
        rewardVerifierDivergence: { threshold: 0.05, action: 'warn' },
        goldFall: { threshold: 0.25, action: 'warn' },
        pictureDrift: { threshold: 2, action: 'off' },
      },
      checkpoints: { everyRounds: 1, keep: 3 },
    });
  });

  it('should follow aliases to the place of the value', () => {
    const text = `${withLine('sampler:', 'sampler: { type: sampler, eta: &e 3 }')}evaluation: { seed: *e }\n`;
    expect(messagesOf(text)).toEqual([
      'a.yaml:6:37 stages.sampler.eta: expected a number in (0, 2], got 3 (number). Change the value.',
    ]);
  });

  it('should lay a service over the model of another config', () => {
    const text =
      'version: 2\nextends: below.yaml\nstages: { reward: { type: reward, from: http, url: "http://a" } }\n';
    const { config, faults } = lintTopology(text, 'a.yaml', { readText: () => SMALLEST });
    expect(faults).toEqual([]);
    const http = {
      from: 'http',
      url: 'http://a',
      timeoutMs: 60_000,
      batchSize: 32,
      concurrency: 1,
      form: 'tributary',
    };
    expect(config?.stages.reward).toEqual({ type: 'reward', ...http, maxMagnitude: 1e15 });
  });

  describe('with overrides', () => {
    it('should lay them over the file, later ones over earlier ones', () => {
      const { config } = lintTopology(SMALLEST, 'a.yaml', {
        overrides: [
          'seed=11',
          'seed=12',
          'engine.providers=[webgpu, cpu]',
          'engine.providers[1]=cuda',
          'name=b',
        ],
      });
      expect(config).toMatchObject({ name: 'b', seed: 12, engine: { providers: ['webgpu', 'cuda'] } });
    });

    it.each([
      [
        'stages.sampler.eta=7',
        '--set stages.sampler.eta=7 stages.sampler.eta: expected a number in (0, 2], got 7 (number). Change the value.',
      ],
      [
        'stages.samplr.eta=1',
        '--set stages.samplr.eta=1 stages.samplr.type: expected one of advantages, combine, gateway, operator, prompts, reward, sampler, schedule, tap, trainer, got nothing. Add `type`.',
      ],
      [
        'seeed=1',
        '--set seeed=1 seeed the key: expected one of version, name, seed, model, engine, transport, topics, stages, evaluation, guards, promotion, checkpoints, telemetry, tests, got "seeed". Did you mean "seed"?',
      ],
      [
        'model.lora={rank: 0}',
        '--set model.lora={rank: 0} model.lora.rank: expected an integer from 1 to 1024, got 0 (number). Change the value.',
      ],
      [
        'stages.sampler.groupsPerBatch=64',
        '--set stages.sampler.groupsPerBatch=64 stages.sampler.groupsPerBatch: expected a divisor of groupsPerRound 32, got 64. Use 1, 2, 4, 8, 16 or 32.',
      ],
      [
        'seed',
        '--set seed path: expected `key.key=value`, got "seed". Name the value by its keys, joined by dots.',
      ],
      [
        'model..x=1',
        '--set model..x=1 path: expected `key.key=value`, got "model..x=1". Name the value by its keys, joined by dots.',
      ],
      [
        '__proto__.x=1',
        '--set __proto__.x=1 path: expected `key.key=value`, got "__proto__.x=1". Name the value by its keys, joined by dots.',
      ],
      [
        'seed=[1',
        '--set seed=[1 value: expected YAML, got Flow sequence must end with a ]. Quote the value.',
      ],
      [
        'seed=*x',
        '--set seed=*x value: expected YAML, got the alias *x of nothing before it. Quote the value.',
      ],
      ['name.x=1', '--set name.x=1 name: expected a mapping, got "tiny" (string). Set `name` as a whole.'],
      [
        'seed=',
        '--set seed= seed: expected an integer from 0 to 4294967295, got null. Write a value, or remove the key where it has a default.',
      ],
    ])('should name `--set %s` as the place of its fault', (override, message) => {
      expect(messagesOf(SMALLEST, [override])).toContain(message);
      expect(({} as Record<string, unknown>).x).toBeUndefined();
    });

    it('should name the override that has the last word', () => {
      expect(messagesOf(SMALLEST, ['seed=-1', 'engine={}', 'seed=-2'])).toEqual([
        '--set seed=-2 seed: expected an integer from 0 to 4294967295, got -2 (number). Change the value.',
      ]);
    });

    it('should only replace entries of a list that are there', () => {
      expect(messagesOf(`${SMALLEST}engine: { providers: [cpu] }\n`, ['engine.providers.3=cuda'])).toEqual([
        '--set engine.providers.3=cuda engine.providers: expected an entry of the list, got "3" in a list of 1. Set `engine.providers` as a whole.',
      ]);
    });
  });

  describe('with extends', () => {
    const lintOver = (text: string, base: string) =>
      lintTopology(text, 'config/demo.yaml', {
        readText: (path) => {
          if (path === 'config/base.yaml') return base;
          throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
        },
      });

    it('should merge mappings and replace everything else', () => {
      const base = `${schedule('mode: list, phases: [7, 8, 10]')}seed: 3\n`;
      const text =
        'version: 2\nextends: base.yaml\nname: demo\nstages: { schedule: { phases: [9] }, sampler: { eta: 0.5 } }\n';
      const { config, faults } = lintOver(text, base);
      expect(faults).toEqual([]);
      expect(config).toMatchObject({
        name: 'demo',
        seed: 3,
        stages: { schedule: { phases: [9] }, sampler: { type: 'sampler', eta: 0.5 } },
      });
      expect(config).not.toHaveProperty('extends');
    });

    it('should replace a mapping of another variant', () => {
      const base = trainer(
        'learningRate: 0.5, surrogate: { type: ddpo-is, advClipMax: 1 }, updates: { from: round, innerEpochs: 3 }',
      );
      const text = `version: 2
extends: base.yaml
stages:
  schedule: { type: schedule, mode: window, length: 3 }
  trainer: { surrogate: { type: dpok, clipRange: 0.5 }, updates: { from: replay, capacity: 64 } }
`;
      const { config, faults } = lintOver(text, base);
      expect(faults).toEqual([]);
      expect(config?.stages.schedule).toEqual({
        type: 'schedule',
        mode: 'window',
        length: 3,
        everyRounds: 1,
      });
      expect(config?.stages.trainer).toMatchObject({
        learningRate: 0.5,
        surrogate: { type: 'dpok', rewardWeight: 10, klWeight: 0.01, kl: 'eps-mse', clipRange: 0.5 },
        updates: { from: 'replay', capacity: 64, updatesPerRound: 5, transitionsPerUpdate: 32 },
      });
    });

    it('should name no place of what was replaced', () => {
      const text = 'version: 2\nextends: base.yaml\nstages: { schedule: { mode: constant, steps: 5 } }\n';
      const { faults } = lintOver(text, SMALLEST);
      expect(faults.map(({ message }) => message)).toEqual([
        'config/demo.yaml:3:11 stages.schedule.type: expected one of advantages, combine, gateway, operator, prompts, reward, sampler, schedule, tap, trainer, got nothing. Add `type`.',
      ]);
    });

    it('should find each fault in the file that holds it', () => {
      const text = 'version: 2\nextends: base.yaml\nstages: { sampler: { eta: 3 } }\n';
      const { faults } = lintOver(text, `${SMALLEST}seed: -1\n`);
      expect(faults.map(({ message }) => message)).toEqual([
        'config/base.yaml:11:7 seed: expected an integer from 0 to 4294967295, got -1 (number). Change the value.',
        'config/demo.yaml:3:27 stages.sampler.eta: expected a number in (0, 2], got 3 (number). Change the value.',
      ]);
    });

    it.each([
      [
        'version: 2\nextends: gone.yaml\n',
        'config/demo.yaml:2:10 extends: expected a file that can be read, got ENOENT at config/gone.yaml. Write its path relative to this file.',
      ],
      [
        'version: 2\nextends: 7\n',
        'config/demo.yaml:2:10 extends: expected the path of a config file, or a preset such as tributary:demo, got 7 (number). Write a path relative to this file, or a preset that `tributary presets` lists.',
      ],
      [
        'version: 2\nextends: shapes-ddpo\n',
        'config/demo.yaml:2:10 extends: expected a file that can be read, got ENOENT at config/shapes-ddpo. Did you mean "tributary:shapes-ddpo"?',
      ],
      ...['tributary:', 'tributary: demo'].map((base) => [
        `version: 2\nextends: ${base}\nname: mine\n`,
        `config/demo.yaml:2:10 extends: expected the path of a config file, or a preset such as tributary:demo, got "${base}". Write a path relative to this file, or a preset that \`tributary presets\` lists.`,
      ]),
      [
        'version: 2\nextends: base.yaml\n',
        'config/base.yaml:2:10 extends: expected a file that can be read, got ENOENT at config/more.yaml. Write its path relative to this file.',
      ],
    ])('should refuse a file that cannot be extended, and nothing else (%#)', (text, message) => {
      expect(lintOver(text, 'version: 2\nextends: more.yaml\n').faults.map((fault) => fault.message)).toEqual(
        [message],
      );
    });
  });
});
