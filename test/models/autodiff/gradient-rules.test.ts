import { beforeAll, describe, expect, it } from 'vitest';
import { GRADIENT_RULES } from '../../../src/models/autodiff/gradient-rules.js';
import type { Engine } from '../../../src/models/engines/contract/engine.js';
import { OP_NAMES } from '../../../src/models/graph/op-names.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';
import type { Finding } from './check-gradient.js';
import { checkGradients } from './check-gradient.js';
import { GRADIENT_CASES } from './gradient-cases.js';
import type { OpCase } from './op-case.js';

let engine: Engine;
beforeAll(() => {
  engine = sharedEngine();
});

describe.each(Object.entries(GRADIENT_CASES))('gradients of %s', (_family, cases) => {
  let findings: ReadonlyMap<OpCase, Finding>;
  beforeAll(async () => {
    findings = await checkGradients(engine, cases);
  });

  it.each(cases.map((testCase) => [testCase.op, testCase.name, testCase] as const))(
    'should agree with central differences: %s %s',
    (_op, _name, testCase) => {
      const finding = findings.get(testCase);
      expect(finding?.faults).toEqual([]);
      expect(finding?.numChecks).toBeGreaterThan(0);
    },
  );
});

describe('the table of gradient rules', () => {
  const covered = new Set(
    Object.values(GRADIENT_CASES)
      .flat()
      .filter(({ inputs }) => inputs.some((input) => !input.frozen))
      .map((testCase) => testCase.op),
  );

  it.each(OP_NAMES)('should have a case or a stated reason for %s', (op) => {
    const rule = GRADIENT_RULES[op];
    if (rule.kind === 'derivative') expect(covered).toContain(op);
    else expect(rule.reason.length).toBeGreaterThan(3);
  });
});
