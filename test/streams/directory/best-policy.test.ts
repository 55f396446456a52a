import { spawnSync } from 'node:child_process';
import { mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeEach, describe, expect, test } from 'vitest';
import { readBest, recoverBest, writeBest } from '../../../src/streams/directory/best-policy.js';
import { restoreBest } from '../../../src/streams/directory/restore-best.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { evaluation } from '../example-metrics.js';

const ADAPTER = await readFile('test/fixtures/diffusers-adapter.safetensors');
const measured = (round: number, rewardMean: number) => evaluation(round, { heldOut: { rewardMean } });
const older = { evaluation: measured(2, 0.4), adapter: ADAPTER };
const newer = { evaluation: measured(4, 0.5), adapter: Buffer.concat([ADAPTER]) };

let path = '';
beforeEach(async () => {
  path = await temporaryFolder();
});

/** Replaces the best policy in a process, and returns what a crash would leave before each of its calls, and the end. */
async function crashesWhileReplacing(): Promise<string[]> {
  const copies = await temporaryFolder();
  const script = `
    const { readFile } = await import('node:fs/promises');
    const { writeBest } = await import(${JSON.stringify(pathToFileURL('dist/streams/directory/best-policy.js').href)});
    await writeBest(process.env.COPIED, { evaluation: JSON.parse(process.env.EVALUATION), adapter: await readFile('test/fixtures/diffusers-adapter.safetensors') });`;
  const { status, stderr } = spawnSync(
    process.execPath,
    ['--import', './test/fixtures/copy-before-calls.mjs', '--input-type=module', '--eval', script],
    {
      env: {
        ...process.env,
        COPIED: path,
        COPIES: copies,
        EVALUATION: JSON.stringify(newer.evaluation),
      },
    },
  );
  if (status !== 0) throw new Error(String(stderr));
  const numCopies = (await readdir(copies)).length;
  return Array.from({ length: numCopies }, (_, call) => join(copies, String(call)));
}

describe('recoverBest', () => {
  test('should find a whole best policy wherever a crash came while it was replaced', async () => {
    await writeBest(path, older);
    const found: unknown[] = [];
    for (const crashed of await crashesWhileReplacing()) {
      await recoverBest(crashed);
      const best = await readBest(crashed);
      expect([older, newer]).toContainEqual(best);
      expect(await readdir(crashed)).toEqual(['best']);
      found.push(best?.evaluation.round);
    }
    // The old one until the new one is whole, and from then on the new one.
    expect(found).toEqual([...found].sort());
    expect(found.at(-1)).toBe(4);
    expect(found.length).toBeGreaterThan(8);
  });

  test('should not take a folder that was being written', async () => {
    await mkdir(join(path, '.best.1-0-0.tmp'));
    await writeFile(join(path, '.best.1-0-0.tmp', 'pytorch_lora_weights.safetensors'), ADAPTER);
    await writeFile(join(path, '.best.1-0-0.tmp', 'evaluation.json'), JSON.stringify(older).slice(0, 80));
    await recoverBest(path);
    expect(await readdir(path)).toEqual([]);
  });
});

describe('restoreBest', () => {
  const base = { evaluation: measured(0, 0.1), adapter: Buffer.concat([ADAPTER]) };
  let warnings: string[] = [];
  const restore = (checkpoints: readonly number[] = []) =>
    restoreBest({
      runPath: path,
      evaluations: [base.evaluation, measured(2, 0.4), measured(4, 0.5), measured(6, 0.3)],
      base,
      policyAfter: async (round) => (checkpoints.includes(round) ? Buffer.of(round) : null),
      warn: (message) => warnings.push(message),
    });
  beforeEach(() => {
    warnings = [];
  });
  const policyFile = () => join(path, 'best', 'pytorch_lora_weights.safetensors');
  const figuresFile = () => join(path, 'best', 'evaluation.json');

  test('should leave a whole one as it is', async () => {
    await writeBest(path, older);
    expect(await restore([4])).toEqual(older);
    expect(warnings).toEqual([]);
  });

  test.each([
    ['cut short', () => truncate(figuresFile(), 40), 'evaluation.json without the figures of an evaluation'],
    [
      'text in numbers',
      async () =>
        writeFile(figuresFile(), (await readFile(figuresFile(), 'utf8')).replace('0.5', '"<b>x</b>"')),
      'evaluation.json without the figures of an evaluation',
    ],
    [
      'zeros',
      () => writeFile(figuresFile(), '\0\0\0'),
      'evaluation.json without the figures of an evaluation',
    ],
    ['missing', () => rm(figuresFile()), 'no evaluation.json'],
  ])('should take the figures of a policy from the log where they are %s', async (_, spoil, got) => {
    await writeBest(path, newer);
    await spoil();
    expect(await restore()).toEqual(newer);
    expect(await readBest(path)).toEqual(newer);
    expect(warnings).toEqual([
      `${join(path, 'best')}: expected the best policy so far, got ${got}. Its figures are restored from the log: those after 4 rounds.`,
    ]);
  });

  test.each([
    ['cut short', () => truncate(policyFile(), 100), 'a policy that cannot be read'],
    ['garbage', () => writeFile(policyFile(), 'garbage'), 'a policy that cannot be read'],
    ['missing', () => rm(policyFile()), 'figures without a policy'],
  ])(
    'should set a policy aside that is %s, and take the best that a checkpoint holds',
    async (_, spoil, got) => {
      await writeBest(path, newer);
      await spoil();
      const best = { evaluation: measured(2, 0.4), adapter: Buffer.of(2) };
      expect(await restore([2, 6])).toEqual(best);
      expect(await readBest(path)).toEqual(best);
      expect(await readdir(join(path, 'best.damaged'))).toContain('evaluation.json');
      const aside = join(path, 'best.damaged');
      expect(warnings).toEqual([
        `${join(path, 'best')}: expected the best policy so far, got ${got}. The one after 2 rounds takes its place, the best that is left; the best in the log is that after 4. What was there is in ${aside}.`,
      ]);
    },
  );

  test('should lose nothing where a checkpoint holds the damaged policy itself', async () => {
    await writeBest(path, newer);
    await truncate(policyFile(), 100);
    expect(await restore([2, 4, 6])).toEqual({ evaluation: newer.evaluation, adapter: Buffer.of(4) });
  });

  test('should fall back on the base model where nothing better is left', async () => {
    expect(await restore()).toEqual(base);
    expect(warnings).toEqual([
      `${join(path, 'best')}: expected the best policy so far, got none. The one after 0 rounds takes its place, the best that is left; the best in the log is that after 4.`,
    ]);
  });
});
