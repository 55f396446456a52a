/** @file A test of a config: whether a part of the topology does what is expected of it. */

import FakeTimers from '@sinonjs/fake-timers';
import { readMarbles } from '../config/schema/marbles.js';
import type { ConfigTest } from '../config/schema/tests-schema.js';
import type { ResolvedConfig } from '../config/schema/topology-schema.js';
import { loadOperator, type MessageOperator } from '../stages/operator/load-operator.js';
import { agrees, differenceOf, type Notice } from './compare.js';
import { type Recorded, recordPart } from './record-part.js';

/**
 * Runs a test of a config and returns the lines of what differs from what it expects; none where nothing does.
 *
 * Errors: TRIB_FILE where the module of an operator does not load; as `readPromptFile` where prompts of a file are tested.
 */
export async function runConfigTest(whole: ResolvedConfig, test: ConfigTest): Promise<string[]> {
  const config = withRoundsOf(whole, test);
  const operators = new Map<string, MessageOperator>();
  for (const name of test.stages) {
    const stage = config.stages[name];
    if (stage?.type === 'operator') operators.set(name, await loadOperator(name, stage));
  }
  // Promises and the turns of the event loop stay real; what waits for a time does not.
  const clock = FakeTimers.install({
    now: 0,
    toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date'],
  });
  try {
    return differences(test, await recordPart(config, test, operators, clock));
  } finally {
    clock.uninstall();
  }
}

/** The config with rounds of as many groups as the test says, and as many rounds at once as in a run. */
function withRoundsOf(config: ResolvedConfig, { groupsPerRound }: ConfigTest): ResolvedConfig {
  if (groupsPerRound === undefined) return config;
  const stages = Object.entries(config.stages).map(([name, stage]) => {
    if (stage.type !== 'prompts') return [name, stage];
    const runAhead = Math.ceil(stage.runAhead / stage.groupsPerRound) * groupsPerRound;
    return [name, { ...stage, groupsPerRound, runAhead }];
  });
  return { ...config, stages: Object.fromEntries(stages) };
}

function differences(test: ConfigTest, { notices, counts }: Recorded): string[] {
  const topics = Array.from(notices, ([topic, got]) => {
    const diagram = test.out[topic];
    // Of a topic that the test does not name, only messages count.
    const seen = diagram === undefined ? got.filter(({ kind }) => kind === 'message') : got;
    const lines = differenceOf(diagram === undefined ? [] : expectedOn(test, diagram), seen);
    return lines === null ? [] : [topic, ...lines];
  });
  const wrongCounts = Object.entries(test.counts)
    .filter(([name, stated]) => !agrees(stated, counts.get(name)))
    .flatMap(([name, stated]) => [
      `counts of ${name}`,
      `  - ${JSON.stringify(stated)}`,
      `  + ${JSON.stringify(counts.get(name))}`,
    ]);
  return [...topics.flat(), ...wrongCounts];
}

function expectedOn(test: ConfigTest, diagram: string): Notice[] {
  return readMarbles(diagram).map(({ at, mark }) =>
    mark === '|'
      ? { at, kind: 'end', fields: {} }
      : { at, kind: mark === '#' ? 'error' : 'message', fields: test.values[mark] ?? {} },
  );
}
