import { expect, test } from 'vitest';
import { loadStudy } from '../../../../src/streams/study/config/load-study.js';
import { faultOf } from '../../../fixtures/fault-of.js';

test('should read the study that is shipped', async () => {
  const { name, rows, sections } = await loadStudy('config/study-shapes.yaml');
  expect(name).toBe('shapes');
  expect(rows.length).toBeGreaterThan(1);
  expect(sections.length).toBeGreaterThan(0);
});

test('should say which file cannot be read', async () => {
  expect(await faultOf(() => loadStudy('config/nowhere.yaml'))).toEqual([
    'TRIB_USAGE',
    'config config/nowhere.yaml: expected a file that can be read, got ENOENT. Name a YAML file, such as one under config/.',
  ]);
});
