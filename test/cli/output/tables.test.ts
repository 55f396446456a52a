import { describe, expect, test } from 'vitest';
import { comparisonTable, evaluationTable } from '../../../src/cli/output/evaluation-table.js';
import { evaluation } from '../../streams/example-metrics.js';

describe('comparisonTable', () => {
  test('should stand base beside tuned in aligned columns', () => {
    const tuned = evaluation(24, {
      train: { verifiedAlignment: 0.586, diversity: 0.47 },
      heldOut: { rewardMean: 0.28 },
    });
    expect(comparisonTable(evaluation(0), tuned).split('\n')).toEqual([
      '                                    training prompts                     held-out prompts',
      '                      base   tuned            change       base   tuned            change',
      'verified alignment  40.0 %  58.6 %      +18.6 points     40.0 %  40.0 %       ±0.0 points',
      'verifier score       0.700   0.700            ±0.000      0.700   0.700            ±0.000',
      'reward               0.300   0.300            ±0.000      0.300   0.280            −0.020',
      'diversity            0.500   0.470         94 % kept      0.500   0.500        100 % kept',
    ]);
  });
});

describe('evaluationTable', () => {
  test('should show one policy, with its templates', () => {
    const { train, heldOut } = evaluation(0);
    expect(
      evaluationTable({ train, heldOut, byTemplate: { counting: { train: 0.5, heldOut: null } } }).split(
        '\n',
      ),
    ).toEqual([
      '                                training prompts  held-out prompts',
      'verified alignment                        40.0 %            40.0 %',
      'verifier score                             0.700             0.700',
      'reward                                     0.300             0.300',
      'diversity                                  0.500             0.500',
      'verified alignment by template',
      '  counting                                50.0 %                 –',
      'images                                       512               256',
    ]);
  });

  test('should show each part of a combined reward, and each gold reward', () => {
    const { train, heldOut } = evaluation(0, {
      train: { rewardParts: { red: 0.25 }, gold: { taste: { mean: 4, std: 1 } } },
      heldOut: { rewardParts: { red: 0.5 }, gold: { taste: { mean: 3, std: 1 } } },
    });
    const rows = evaluationTable({ train, heldOut }).split('\n');
    expect(rows.map((row) => row.split(/\s{2,}/))).toEqual(
      expect.arrayContaining([
        ['part: red', '0.250', '0.500'],
        ['gold: taste', '4.000', '3.000'],
      ]),
    );
  });

  test('should leave out what was not measured', () => {
    const unverified = { verifiedAlignment: null, verifierScore: null };
    expect(evaluationTable(evaluation(0, { train: unverified, heldOut: unverified }))).not.toContain('verif');
  });
});
