import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { lintTopology } from '../../src/streams/config/lint-topology.js';

it('should show a config in the README that lints clean', () => {
  const text = /```yaml\n([\s\S]*?)```/.exec(readFileSync('README.md', 'utf8'))?.[1] ?? '';
  expect(lintTopology(text, 'README.md').faults).toEqual([]);
});

it('should hold the lines for an empty folder, and those for a checkout, in the quick start', () => {
  const section = /## Quick start\n([\s\S]*?)\n## /.exec(readFileSync('README.md', 'utf8'))?.[1] ?? '';
  const lines = Array.from(section.matchAll(/```sh\n([\s\S]*?)```/g), ([, block = '']) => block.trim());
  expect(lines).toEqual([
    'npm install tributary-rl\nnpx tributary demo\nnpx tributary init && npx tributary train mine.yaml\nnpx tributary studio',
    'npm ci && npm run demo\nnpm ci && npm test',
  ]);
});
