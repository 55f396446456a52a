import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { loadTopology } from '../../src/streams/config/load-topology.js';
import { topologyToMermaid } from '../../src/streams/config/mermaid.js';

it('should draw the topology in docs/architecture.md as `tributary graph` does', async () => {
  const drawn = /```mermaid\n([\s\S]*?)```/.exec(readFileSync('docs/architecture.md', 'utf8'))?.[1];
  expect(drawn).toBe(topologyToMermaid(await loadTopology('config/shapes-b2-branch.yaml')));
});
