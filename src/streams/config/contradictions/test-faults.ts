/** @file What is wrong with the tests of a config: stages, topics and letters that are not there. */

import { isTestable, TESTABLE, testedPart } from '../graph/tested-part.js';
import { isQueue, kindOfTopic } from '../graph/topology-graph.js';
import { isLetter, readMarbles } from '../schema/marbles.js';
import type { ConfigTest, ConfigTests } from '../schema/tests-schema.js';
import type { ResolvedConfig } from '../schema/topology-schema.js';
import { type Path, suggest } from '../source/fault.js';
import { type Contradiction, contradiction } from './config-rule.js';
import { inputFault } from './test-input-fault.js';

/** Returns every fault of the tests of a config. */
export function findTestFaults(config: ResolvedConfig, tests: ConfigTests): Contradiction[] {
  return Object.entries(tests).flatMap(([name, test]) => {
    const path = ['tests', name];
    const stages = stageFaults(config, test, path);
    return [
      ...stages,
      // What a part reads and writes is known once its stages are.
      ...(stages.length > 0 ? [] : [...topicFaults(config, test, path), ...countFaults(config, test, path)]),
      ...letterFaults(config, test, path),
    ];
  });
}

function stageFaults({ stages }: ResolvedConfig, test: ConfigTest, path: Path): Contradiction[] {
  return test.stages.flatMap((name, index) => {
    const stage = stages[name];
    const at = [...path, 'stages', index];
    if (stage === undefined)
      return [
        contradiction(at, {
          expected: 'a stage of this config',
          got: JSON.stringify(name),
          nextStep: suggest(name, Object.keys(stages), `Name one of ${Object.keys(stages).join(', ')}.`),
        }),
      ];
    if (!isTestable(stage.type))
      return [
        contradiction(at, {
          expected: `a stage of type ${TESTABLE.join(', ')}`,
          got: `"${name}", of type ${stage.type}`,
          nextStep: 'Test the stages around it: what it would write can be put in.',
        }),
      ];
    if (stage.type !== 'tap' || stage.to.type === 'topic') return [];
    return [
      contradiction(at, {
        expected: 'a tap whose copies go to a topic',
        got: `"${name}", whose copies go to ${stage.to.type === 'file' ? 'a file' : 'an endpoint'}`,
        nextStep: 'Leave it out: a test reaches nothing outside.',
      }),
    ];
  });
}

function topicFaults(config: ResolvedConfig, test: ConfigTest, path: Path): Contradiction[] {
  const { reads, writes } = testedPart(config, test.stages);
  const ports = (side: 'in' | 'out', verb: string, known: readonly string[]) =>
    Object.keys(test[side])
      .filter((topic) => !known.includes(topic))
      .map((topic) =>
        contradiction([...path, side, topic], {
          expected: `a topic that its stages ${verb}`,
          got: JSON.stringify(topic),
          nextStep: suggest(topic, known, `Use ${known.join(', ')}.`),
        }),
      );
  return [...ports('in', 'read', reads), ...ports('out', 'write', writes)];
}

function countFaults({ stages }: ResolvedConfig, test: ConfigTest, path: Path): Contradiction[] {
  return Object.keys(test.counts)
    .filter((name) => !test.stages.includes(name) || stages[name]?.type !== 'operator')
    .map((name) =>
      contradiction([...path, 'counts', name], {
        expected: 'an operator stage of the test',
        got: JSON.stringify(name),
        nextStep: 'Name it in `stages`, or remove it here.',
      }),
    );
}

/** Letters without a message, and messages that cannot come in. */
function letterFaults(config: ResolvedConfig, test: ConfigTest, path: Path): Contradiction[] {
  const lettersOf = (words: string) => readMarbles(words).filter(({ mark }) => isLetter(mark));
  const faults = (side: 'in' | 'out') =>
    Object.entries(test[side]).flatMap(([topic, words]) => {
      const letters = [...new Set(lettersOf(words).map(({ mark }) => mark))];
      const unknown = letters.find((letter) => !Object.hasOwn(test.values, letter));
      return unknown === undefined
        ? []
        : [
            contradiction([...path, side, topic], {
              expected: 'a value for each of its letters',
              got: `none for "${unknown}"`,
              nextStep: `Add it to \`values\`: \`${unknown}: { ... }\`.`,
            }),
          ];
    });
  const inputs = Object.entries(test.in).flatMap(([topic, words]) => {
    const kind = kindOfTopic(config)(topic);
    if (kind === undefined || (!isQueue(kind) && kind !== 'progress')) return [];
    if (readMarbles(words).some(({ mark }) => mark === '#'))
      return [
        contradiction([...path, 'in', topic], {
          expected: 'messages, and perhaps their end',
          got: 'an error',
          nextStep: 'Topics do not err: remove the `#`.',
        }),
      ];
    return lettersOf(words).flatMap(({ mark }) => {
      const value = test.values[mark];
      const fault = value && inputFault(kind, value);
      const [, expected = '', got = ''] = /^expected (.*), got (.*)$/s.exec(fault ?? '') ?? [];
      const nextStep = `The topic "${topic}" is given it.`;
      return fault ? [contradiction([...path, 'values', mark], { expected, got, nextStep })] : [];
    });
  });
  return [...faults('in'), ...faults('out'), ...inputs];
}
