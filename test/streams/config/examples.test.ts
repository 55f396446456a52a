import { readdirSync } from 'node:fs';
import { expect, it } from 'vitest';
import { rolesOf } from '../../../src/streams/config/graph/topology-graph.js';
import { loadTopology } from '../../../src/streams/config/load-topology.js';
import { openOperators } from '../../../src/streams/run/opening/open-operators.js';

const FOLDER = 'config/examples';
const examples = readdirSync(FOLDER).filter((name) => name.endsWith('.yaml'));

it.each(examples)('should lint clean, be named after its file, and find its modules: %s', async (name) => {
  const config = await loadTopology(`${FOLDER}/${name}`);
  expect(`${config.name}.yaml`).toBe(name);
  const operators = Object.values(config.stages).filter(({ type }) => type === 'operator');
  expect((await openOperators(config, rolesOf(config))).size).toBe(operators.length);
});
