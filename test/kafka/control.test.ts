/** @file An operator's hand on a run that goes on over a real cluster. */

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { stringify } from 'yaml';
import { progressAt } from '../../src/streams/config/resolved/progress-at.js';
import type { ResolvedConfig } from '../../src/streams/config/schema/topology-schema.js';
import { freeze, scaleLearningRate, unfreeze } from '../../src/streams/control/control-changes.js';
import { changeControl, readControl } from '../../src/streams/control/operate-control.js';
import { openTransport } from '../../src/streams/transport/open-transport.js';
import { runCli } from '../cli/run-cli.js';
import { faultOf } from '../fixtures/fault-of.js';
import { metricsOf, runTiny, tinyConfig } from '../fixtures/tiny-run.js';
import { BROKERS, freshPrefix, SKIP_REASON } from './cluster.js';

/** So many that none of the commands comes too late. */
const NUM_ROUNDS = 400;

let folder: string;
let inProcess: ResolvedConfig;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tributary-control-'));
  inProcess = await tinyConfig(folder, {
    overrides: [
      `stages.prompts.numRounds=${NUM_ROUNDS}`,
      'stages.prompts.groupsPerRound=2',
      'stages.prompts.runAhead=2',
      'stages.schedule={type: schedule, mode: window, length: 1, everyRounds: 1}',
      'guards.rewardCollapse.action=off',
      `evaluation.everyRounds=${NUM_ROUNDS}`,
      'evaluation.verifier=none',
    ],
  });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function onKafka() {
  const prefix = freshPrefix();
  const { transport } = inProcess;
  const payloads = { type: 'folder' as const, folder: join(folder, 'payloads', prefix) };
  const kafka = { ...transport.kafka, brokers: BROKERS, prefix, partitions: 2, payloads };
  const config: ResolvedConfig = { ...inProcess, transport: { ...transport, kind: 'kafka', kafka } };
  const path = join(folder, `${prefix}.yaml`);
  await writeFile(path, stringify(config));
  return { config, path, runPath: join(folder, prefix) };
}

interface RoundLine {
  readonly kind: string;
  readonly round: number;
  readonly firstStep: number;
  readonly learningRateScale: number;
  readonly control?: { readonly version: number; readonly schedule?: { readonly frozenAt: number | null } };
}

const roundsOf = async (runPath: string): Promise<RoundLine[]> =>
  ((await metricsOf(runPath).catch(() => [])) as unknown as RoundLine[]).filter(
    ({ kind }) => kind === 'round',
  );

/** Waits for rounds that hold to something; only the newest are asked. */
async function untilLast(runPath: string, count: number, holds: (line: RoundLine) => boolean) {
  return vi.waitFor(
    async () => {
      const lines = (await roundsOf(runPath)).slice(-count);
      expect(lines.length).toBe(count);
      expect(lines.filter((line) => !holds(line))).toEqual([]);
      return lines;
    },
    { timeout: 60_000, interval: 100 },
  );
}

describe.skipIf(SKIP_REASON !== null)('an operator of a run over Kafka', () => {
  it('should hold the schedule of a running run, let it go on, and find its hand in the log', async () => {
    const { config, path, runPath } = await onKafka();
    const stopping = new AbortController();
    const running = runTiny({ config, path: runPath, signal: stopping.signal });
    onTestFinished(async () => {
      stopping.abort();
      await running;
    });
    const warn = () => undefined;
    const operate = async (...args: string[]) => {
      const { code, stdout, stderr } = await runCli(['control', path, ...args]);
      expect([code, stderr]).toEqual([0, '']);
      return stdout;
    };
    await untilLast(runPath, 1, ({ control }) => control === undefined);

    expect(await operate('freeze', '2')).toMatch(/^version +0 +1\nschedule +as configured.* +frozen at 2$/m);
    // A window of one of four steps moves at every round, unless it is held.
    const held = await untilLast(runPath, 3, ({ control }) => control?.version === 1);
    expect(held.map(({ firstStep }) => firstStep)).toEqual([2, 2, 2]);
    expect(held.map(({ control }) => control?.schedule?.frozenAt)).toEqual([2, 2, 2]);

    await operate('learning-rate-scale', '0.5');
    const slower = await untilLast(runPath, 2, ({ learningRateScale }) => learningRateScale === 0.5);
    expect(slower.map(({ control }) => control?.version)).toEqual([2, 2]);

    expect(await faultOf(() => changeControl(config, freeze(NUM_ROUNDS), warn))).toEqual([
      'TRIB_USAGE',
      `control freeze: expected a position of the schedule, 0 to ${NUM_ROUNDS - 1}, got ${NUM_ROUNDS}. Nothing was changed; correct the command.`,
    ]);
    await changeControl(config, unfreeze, warn);
    expect(await operate('reset')).toMatch(/^version +3 +4\nschedule +as configured/m);

    const free = await untilLast(runPath, 3, ({ control }) => control === undefined);
    for (const { round, firstStep } of free) expect(firstStep).toBe(round % 4);
    stopping.abort();
    expect(await running).toMatchObject({ error: undefined, warnings: [] });
    const last = (await roundsOf(runPath)).at(-1)?.round ?? 0;
    const checkpoint = join(runPath, 'checkpoints', String(last + 1));
    expect(JSON.parse(await readFile(join(checkpoint, 'state.json'), 'utf8'))).toMatchObject({
      controlVersion: 4,
    });
  }, 240_000);

  it('should refuse the slower of two operators, and lose neither change unseen', async () => {
    const { config } = await onKafka();
    const warn = () => undefined;
    const { transport } = await openTransport({ config, trainer: null, warn });
    onTestFinished(() => transport.close());
    expect((await faultOf(() => readControl(config, warn)))[1]).toContain('expected a run in progress');
    await transport.publish('progress', { key: 'run', message: progressAt(config, 3) });
    // The second comes and is done while the first is at its change.
    const first = await openTransport({ config, trainer: null, takesControl: true, warn });
    onTestFinished(() => first.transport.close());
    expect(await changeControl(config, scaleLearningRate(0.5), warn)).toMatchObject({
      before: { version: 0 },
      after: { version: 1 },
    });
    const late = { ...(await readControl(config, warn)).wanted, version: 2, learningRateScale: 9 };
    expect((await faultOf(() => first.transport.publish('control', { key: 'run', message: late })))[0]).toBe(
      'TRIB_USAGE',
    );
    const { after } = await changeControl(config, freeze(null), warn);
    expect(after).toMatchObject({ version: 2, learningRateScale: 0.5, schedule: { frozenAt: 3 } });
    expect((await readControl(config, warn)).wanted).toEqual(after);
  });

  it('should refuse to change a run that is over, or one of another config', async () => {
    const { config } = await onKafka();
    const warn = () => undefined;
    const { transport } = await openTransport({ config, trainer: null, warn });
    onTestFinished(() => transport.close());
    await transport.publish('progress', {
      key: 'run',
      message: progressAt(config, NUM_ROUNDS, { isOver: true }),
    });
    expect(await faultOf(() => changeControl(config, freeze(0), warn))).toEqual([
      'TRIB_USAGE',
      'control tiny: expected a run in progress, got one that has ended. Nothing was changed.',
    ]);
    expect((await readControl(config, warn)).wanted.version).toBe(0);
    const other = { ...config, seed: config.seed + 1 };
    expect((await faultOf(() => readControl(other, warn)))[0]).toBe('TRIB_CONFIG');
  });
});
