import { readFile } from 'node:fs/promises';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { asTributaryError, TributaryError } from '../src/errors.js';

describe('TributaryError', () => {
  it.each([
    ['TRIB_USAGE', 2],
    ['TRIB_CONFIG', 2],
    ['TRIB_PROMPT', 2],
    ['TRIB_FILE', 1],
    ['TRIB_INTERNAL', 1],
  ] as const)('should end the program of a %s with %d', (code, status) => {
    expect(new TributaryError(code, 'text').exitCode).toBe(status);
  });

  it('should show only what is known of it, as Node prints one that nobody caught', () => {
    const bare = new TributaryError('TRIB_FILE', 'text');
    expect(Object.keys(bare).sort()).toEqual(['code', 'name', 'retryable']);
    expect(inspect(bare)).not.toContain('undefined');
    const placed = new TributaryError('TRIB_FILE', 'text', { stage: 'reward', groupId: 'group-1' });
    expect(placed).toMatchObject({ stage: 'reward', groupId: 'group-1' });
    expect(inspect(placed)).toContain("stage: 'reward'");
  });
});

describe('asTributaryError', () => {
  it('should keep a fault as it is', () => {
    const fault = new TributaryError('TRIB_LORA', 'text');
    expect(asTributaryError(fault)).toBe(fault);
  });

  it('should treat what the system refuses as a fault of files', async () => {
    const error = await readFile('/nowhere/file').catch((cause: unknown) => cause);
    const { code, message, cause } = asTributaryError(error);
    expect([code, message, cause]).toEqual([
      'TRIB_FILE',
      '/nowhere/file: expected the system to allow open, got ENOENT. Check the path, its permissions and the space on its disk.',
      error,
    ]);
  });

  it('should name the call if the system names no path', () => {
    const full = Object.assign(new Error('write'), { code: 'ENOSPC', syscall: 'write' });
    expect(asTributaryError(full).message).toMatch('write: expected the system to allow write, got ENOSPC.');
  });

  it.each([new TypeError('odd'), 'odd', null, undefined])('should own up to anything else: %s', (error) => {
    expect(asTributaryError(error).code).toBe('TRIB_INTERNAL');
  });
});
