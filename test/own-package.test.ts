import { expect, it } from 'vitest';
import { packageFile, writtenPath } from '../src/own-package.js';

it('should write what the package brings as a config names it, and any other path as it is', () => {
  const path = packageFile('tributary:shapes/prompts/train.txt');
  expect(path).not.toBeNull();
  expect(writtenPath(path ?? '')).toBe('tributary:shapes/prompts/train.txt');
  expect(writtenPath('models/mine')).toBe('models/mine');
});
