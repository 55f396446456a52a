/** @file What is wrong with messages of others, in front of a run that goes on: dead letters, listed and replayed. */

import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { stringify } from 'yaml';
import type { NewRecord } from '../../src/streams/transport/kafka/log-driver.js';
import { SCHEMA_VERSION, WIRE_CODECS } from '../../src/streams/transport/wire/wire-codecs.js';
import { adapterOf, runTiny, tinyConfig } from '../fixtures/tiny-run.js';
import { BROKERS, connect, freshPrefix, SKIP_REASON } from './cluster.js';
import { startPart } from './start-part.js';

const run = promisify(execFile);
const VERSION = { 'schema-version': SCHEMA_VERSION };

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tributary-letters-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const reward = (groupId: string, round: number, rewards: readonly number[]): NewRecord => ({
  key: groupId,
  value: WIRE_CODECS.rewards.encode({ groupId, round, rewards }),
  headers: VERSION,
});

/** A whole message, by a sampler whose model is another one. */
const otherModel = {
  groupId: '0-1',
  groupIndex: 1,
  round: 0,
  prompt: 'a red circle',
  interval: { round: 0, firstStep: 2, numSteps: 4, trainedSteps: [2, 3] },
  policyVersion: 0,
  tree: { firstStep: 2, widths: [1, 3, 3] },
  branches: Array.from({ length: 3 }, () => ({
    firstStep: 2,
    latents: new Float32Array(3 * 10),
    logProbs: new Float32Array(2),
  })),
};

/** By topic, what a stranger may have written. */
const STRANGE: Readonly<Record<string, readonly NewRecord[]>> = {
  prompts: [
    { key: 'p', value: Buffer.from('no protobuf'), headers: VERSION },
    { key: 'p', value: new Uint8Array(), headers: { 'schema-version': '999' } },
  ],
  images: [{ key: 'i', value: Uint8Array.of(10, 255, 255, 255, 255, 15), headers: VERSION }],
  trajectories: [
    { key: 't', value: new Uint8Array(900_000), headers: VERSION },
    { key: '0-1', value: WIRE_CODECS.trajectories.encode(otherModel), headers: VERSION },
  ],
  rewards: [
    reward('0-0', 0, [Number.NaN, 1, 2]),
    reward('no group', 0, [1, 2, 3]),
    reward('7-0', 7, [1, 2, 3]),
    reward('1-2', 0, [1, 2, 3]),
    {
      key: 'c',
      value: Buffer.from('0a0161100a1a20'.concat('00'.repeat(32)), 'hex'),
      headers: { ...VERSION, payload: 'claim' },
    },
  ],
};

describe.skipIf(SKIP_REASON !== null)('messages that cannot be worked on', () => {
  it('should become dead letters with a reason, while the run gives what it gives without them', async () => {
    const config = await tinyConfig(folder, { overrides: ['guards.rewardCollapse.action=off'] });
    await runTiny({ config, path: join(folder, 'undisturbed') });

    const prefix = freshPrefix();
    const { transport } = config;
    const payloads = { type: 'folder' as const, folder: join(folder, 'payloads') };
    const kafka = { ...transport.kafka, brokers: BROKERS, prefix, partitions: 2, payloads };
    const path = join(folder, 'letters.yaml');
    await writeFile(path, stringify({ ...config, transport: { ...transport, kind: 'kafka', kafka } }));

    const part = startPart(path, 'all', ['--run-dir', join(folder, 'run')]);
    onTestFinished(() => part.kill());
    // The topics are there by then, and no group has been issued.
    await part.says('graph ready');
    const driver = await connect();
    onTestFinished(() => driver.close());
    for (const [topic, records] of Object.entries(STRANGE))
      await driver.append(`${prefix}.${topic}`, records);
    expect(await part.ended).toMatchObject({ code: 0, faults: [] });
    expect(await adapterOf(join(folder, 'run'))).toEqual(await adapterOf(join(folder, 'undisturbed')));

    const program = (...args: string[]) =>
      run(process.execPath, ['dist/cli/main.js', 'dead-letters', ...args]).then(({ stdout }) => stdout);
    const letters = (await program('list', path, '--json'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, string>);
    const reasonsOf = (topic: string) =>
      letters.filter(({ origin }) => origin === topic).map(({ reason }) => reason);
    const reason = (text: string) => expect.stringContaining(text);
    expect(reasonsOf('prompts')).toEqual([
      reason('do not parse'),
      reason('expected schema version 1, got 999'),
    ]);
    expect(reasonsOf('images')).toEqual([reason('do not parse')]);
    expect(reasonsOf('trajectories').toSorted()).toEqual([
      reason('expected latents of'),
      reason('do not parse'),
    ]);
    expect(reasonsOf('rewards').toSorted()).toEqual([
      reason('claim: expected the file'),
      reason('expected a group <round>-<index>'),
      reason('expected a group <round>-<index>'),
      reason('expected a group <round>-<index>'),
      reason('group rewards rewards.values[0]: expected a finite number, got NaN'),
    ]);

    const { position = '' } = letters.find(({ key }) => key === 'i') ?? {};
    const bytes = join(folder, 'bytes');
    expect(await program('show', path, position, '--out', bytes)).toContain('header origin: images');
    expect(await readFile(bytes)).toEqual(Buffer.from(STRANGE.images?.[0]?.value ?? []));
    const before = await driver.endOffsets(`${prefix}.images`);
    expect(await program('replay', path, position)).toBe(`replayed ${position}\n`);
    const after = await driver.endOffsets(`${prefix}.images`);
    const total = (ends: ReadonlyMap<number, bigint>) =>
      [...ends.values()].reduce((sum, end) => sum + end, 0n);
    expect(total(after)).toBe(total(before) + 1n);
  });
});
