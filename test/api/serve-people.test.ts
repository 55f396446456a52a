import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { stringify } from 'yaml';
import { peopleServer } from '../../src/api/serve-people.js';
import { type ServerEvent, TributaryClient } from '../../src/client/index.js';
import { type Control, UNCONTROLLED } from '../../src/streams/messages/control-state.js';
import type { RunEvent } from '../../src/streams/messages/run-events.js';
import { processName } from '../../src/streams/transport/process-name.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';
import { tinyConfig } from '../fixtures/tiny-run.js';
import { FakeDesk } from './fake-desk.js';

const GATEWAY = [
  'stages.gateway.type=gateway',
  'stages.gateway.pictures=3',
  'stages.gateway.http.port=0',
  'stages.prompts.source.from=topic',
];
const PLACE = { round: 0, numRounds: 3, position: 0, numPositions: 3 };

it('should serve the desk of a run, show the run, and pass commands on', async () => {
  const config = await tinyConfig(await temporaryFolder(), { overrides: GATEWAY });
  const runPath = join(await temporaryFolder(), 'run');
  await mkdir(runPath);
  await writeFile(join(runPath, 'config.yaml'), stringify(config));
  let wanted: Control = UNCONTROLLED;
  const operator = {
    wanted: async () => wanted,
    change: async (change: (before: Control, place: typeof PLACE) => Control) => {
      wanted = { ...change(wanted, PLACE), version: 1 };
      return wanted;
    },
  };
  const said: RunEvent[] = [];
  const letter = { stage: 'rewards', group: '0-1', reason: 'not finite' };
  const watch = {
    atWork: vi.fn(async () => [
      { role: 'sampler', process: processName() },
      { role: 'sampler', process: 'another' },
      { role: 'reward', process: null },
    ]),
    givenUp: () => [letter],
    close: () => undefined,
  };
  const people = peopleServer();
  const desk = new FakeDesk();
  const server = await people.serveDesk(desk, {
    config,
    runPath,
    say: (event) => void said.push(event),
    operator,
    watch,
  });
  onTestFinished(() => server.close());
  const [listening] = said;
  expect(said).toEqual([{ kind: 'listening', what: 'people', url: expect.stringMatching(/^http:\/\/127/) }]);
  const client = new TributaryClient({ baseUrl: listening?.kind === 'listening' ? listening.url : '' });

  await client.images({ prompt: 'a red circle', user: 'ann' });
  expect(desk.drawn).toMatchObject([{ client: 'ann' }]);
  people.note({ kind: 'worked', role: 'sampler', round: 0, groups: 4, idleShare: 0.5 });
  expect(await client.run()).toMatchObject({
    id: 'run',
    name: 'tiny',
    feedback: { rule: 'best-of-n', voters: 1, pictures: 3 },
    examples: expect.arrayContaining([expect.any(String)]),
    deadLetters: [letter],
    control: { canChange: true, wanted: { version: 0 } },
  });
  const seenAt = expect.stringMatching(/^2\d{3}-/);
  expect((await client.run()).workers).toEqual([
    { role: 'sampler', process: processName(), seenAt, groups: 4, idleShare: 0.5 },
    { role: 'sampler', process: 'another', seenAt },
    { role: 'reward' },
  ]);
  await client.control({ command: 'freeze' });
  expect(wanted).toMatchObject({ version: 1, schedule: { frozenAt: 0 } });

  const leaving = new AbortController();
  const told: ServerEvent[] = [];
  const read = (async () => {
    for await (const event of client.events({ signal: leaving.signal })) told.push(event);
  })();
  const progress = { round: 0, numRounds: 3, trainedSteps: [1], groupsSampled: 1, groupsPerRound: 4 };
  await vi.waitFor(
    () => {
      people.note({ kind: 'progress', ...progress });
      expect(told).toContainEqual({ type: 'progress', ...progress });
    },
    { interval: 5 },
  );
  expect((await client.run()).progress).toEqual(progress);
  // Whoever asks again at once gets the same answer.
  expect(watch.atWork).toHaveBeenCalledTimes(1);
  leaving.abort();
  await read;
});
