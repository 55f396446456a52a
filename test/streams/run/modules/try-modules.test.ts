import { describe, expect, it } from 'vitest';
import type { StageModule } from '../../../../src/streams/config/stage-modules.js';
import { tryModulesOf } from '../../../../src/streams/run/modules/try-modules.js';
import { configOf } from '../../config/config-of.js';

const OPERATORS = `${import.meta.dirname}/../../../fixtures/operators`;

describe('tryModulesOf', () => {
  const config = configOf(
    `stages.odd={type: operator, module: ${OPERATORS}/number.mjs, reads: prompts, writes: odd}`,
    'stages.sampler.reads={prompts: odd}',
    `stages.reward={type: reward, from: module, path: ${OPERATORS}/nothing.mjs}`,
  );
  const named = (kind: StageModule['kind'], path: StageModule['path'], file: string): StageModule => ({
    ...{ kind, path, options: {} },
    module: `${OPERATORS}/${file}.mjs`,
  });
  const modules = [
    named('operator', ['stages', 'odd', 'module'], 'number'),
    named('reward', ['stages', 'reward', 'path'], 'nothing'),
    named('reward', ['evaluation', 'gold', 'red', 'path'], 'throwing'),
  ];
  const triedBy = async (...roles: string[]) =>
    [...(await tryModulesOf(() => roles)(modules, config)).keys()].map((key) => /(\w+)\.mjs/.exec(key)?.[1]);

  it('should load what a process opens with its roles, and nothing else', async () => {
    expect(await triedBy('sampler')).toEqual(['number']);
    expect(await triedBy('reward')).toEqual(['nothing']);
    expect(await triedBy('trainer')).toEqual(['nothing', 'throwing']);
    expect(await triedBy('prompts')).toEqual([]);
  });

  it('should load none where the config has other faults, which say where each stage runs', async () => {
    expect(await tryModulesOf(() => ['sampler'])(modules, undefined)).toEqual(new Map());
  });
});
