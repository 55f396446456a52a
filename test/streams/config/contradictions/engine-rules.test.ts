import { describe, expect, it } from 'vitest';
import { lintTopology } from '../../../../src/streams/config/lint-topology.js';
import { type StageSettings, textWith } from '../faults-with.js';

/** What lint says of the smallest config with other settings of engine and stages. */
function faultsOf(engine: string, settings: StageSettings): string[] {
  return lintTopology(`${textWith(settings)}engine: { ${engine} }\n`, 'a.yaml').faults.map(
    ({ message }) => message,
  );
}

/** Batches of 8 rows before the fork, and of 24 after it. */
const SAMPLER = 'groupsPerBatch: 8, numBranches: 3, guidanceScale: 1';

describe('ENGINE_RULES', () => {
  it.each<[about: string, engine: string, settings: StageSettings, messages: string[]]>([
    [
      'runs that do not divide a batch',
      '',
      { sampler: `${SAMPLER}, chunkSize: 7` },
      [
        'a.yaml:6:93 stages.sampler.chunkSize: expected a divisor of the 8 and 24 rows of a batch, got 7. Use 1, 2, 4 or 8.',
      ],
    ],
    [
      'runs that divide only a batch of guided rows',
      '',
      { sampler: 'groupsPerBatch: 1, numBranches: 3, guidanceScale: 2, chunkSize: 4' },
      [
        'a.yaml:6:93 stages.sampler.chunkSize: expected a divisor of the 6 rows of a batch, guidance counted twice, got 4. Use 1, 2, 3 or 6.',
      ],
    ],
    [
      'threads that make no whole number of sessions',
      'threads: 8, sessionThreads: 3',
      {},
      [
        'a.yaml:11:39 engine.sessionThreads: expected a divisor of engine.threads 8, got 3. Use 1, 2, 4 or 8.',
      ],
    ],
  ])('should report %s', (_, engine, settings, messages) => {
    expect(faultsOf(engine, settings)).toEqual(messages);
  });

  it.each<[about: string, engine: string, settings: StageSettings]>([
    ['runs as large as a batch or larger', '', { sampler: `${SAMPLER}, chunkSize: 24` }],
    ['runs that divide every larger batch', '', { sampler: `${SAMPLER}, chunkSize: 12` }],
    ['all threads in one session', 'threads: 8, sessionThreads: 8', {}],
  ])('should accept %s', (_, engine, settings) => {
    expect(faultsOf(engine, settings)).toEqual([]);
  });
});
