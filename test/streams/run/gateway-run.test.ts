import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { decodeSafetensors } from '../../../src/models/files/safetensors.js';
import { stageOf } from '../../../src/streams/config/resolved/stage-of.js';
import type { ResolvedConfig } from '../../../src/streams/config/schema/topology-schema.js';
import type { ServeDesk } from '../../../src/streams/run/opening/open-gateway.js';
import type { Desk, ServedGroup } from '../../../src/streams/stages/gateway/desk.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { adapterOf, eventsOf, runTiny, tinyConfig, UNGUARDED } from '../../fixtures/tiny-run.js';

const GATEWAY = [
  'stages.gateway.type=gateway',
  'stages.gateway.pictures=3',
  'stages.gateway.guesses=1',
  'stages.prompts.source.from=topic',
  'stages.prompts.groupsPerRound=2',
  'stages.prompts.numRounds=2',
  'stages.prompts.runAhead=2',
  'stages.sampler.groupsPerBatch=1',
  'stages.schedule.first=3',
  'stages.trainer.maxStaleness=4',
  'evaluation.trainPrompts=1',
  'evaluation.imagesPerPrompt=1',
  ...UNGUARDED,
];

/** The same run with the rule of examples/own/ for what is served. */
function withRule(config: ResolvedConfig): ResolvedConfig {
  const { name, ...gateway } = stageOf(config, 'gateway');
  const options = { words: 'gun', darkest: 0 };
  const rule = { module: resolve('examples/own/serving-rule.js'), options, timeoutMs: 60_000 };
  return { ...config, stages: { ...config.stages, [name]: { ...gateway, serve: { rule } } } };
}

/** A person who asks for pictures, and chooses. */
const ask = (desk: Desk, seed: number) =>
  desk.draw({ prompt: 'a red circle', seed, client: 'ann', signal: new AbortController().signal });

/** Serves one person at a desk for as long as they take. */
const serving =
  (person: (desk: Desk) => Promise<void>): ServeDesk =>
  async (desk) => {
    const done = person(desk);
    done.catch(() => undefined);
    return { close: () => done };
  };

describe('a run whose groups people ask for', () => {
  it('should train on what they chose, each group once, also after it was ended in a round and got a serving rule', async () => {
    const path = join(await temporaryFolder(), 'run');
    const config = await tinyConfig(await temporaryFolder(), { overrides: GATEWAY });
    const drawn: ServedGroup[] = [];
    const voted: ServedGroup[] = [];
    const choose = async (desk: Desk, id: string, best: number) => {
      voted.push((await desk.vote(id, { voter: 'ann', best })).group);
    };
    const ending = new AbortController();
    const first = await runTiny({
      config,
      path,
      signal: ending.signal,
      serveDesk: serving(async (desk) => {
        for (const seed of [1, 2, 3]) drawn.push(await ask(desk, seed));
        for (const [index, { id }] of drawn.slice(0, 2).entries()) await choose(desk, id, index);
        const isTrained = ({ id }: ServedGroup) => desk.group(id)?.state === 'trained';
        await new Promise<void>((resolve) => {
          const look = () => drawn.slice(0, 2).every(isTrained) && resolve();
          desk.events$.subscribe(look);
          look();
        });
        // Of the second round one group is decided when the run ends.
        await choose(desk, drawn[2]?.id ?? '', 2);
        ending.abort();
      }),
    });
    expect(first.error).toBeUndefined();
    expect(eventsOf(first, 'round').map(({ metrics }) => metrics.feedback)).toEqual([
      { groups: 2, votes: 2, agreement: 1, expiredGroups: 0, staleGroups: 0 },
    ]);
    const afterFirst = await adapterOf(path);
    const second = await runTiny({
      config: withRule(config),
      path,
      resume: true,
      serveDesk: serving(async (desk) => {
        expect(drawn.map(({ id }) => desk.group(id)?.state)).toEqual(['trained', 'trained', 'decided']);
        await expect(
          desk.draw({ prompt: 'a gun', client: 'ann', signal: new AbortController().signal }),
        ).rejects.toMatchObject({ code: 'prompt-not-allowed' });
        // The same seed, but another policy.
        const fourth = await ask(desk, 1);
        expect(fourth.policyVersion).toBe(1);
        expect(await desk.picture(fourth.id, '0')).not.toEqual(await desk.picture(drawn[0]?.id ?? '', '0'));
        await choose(desk, fourth.id, 0);
      }),
    });
    expect(second.error).toBeUndefined();
    expect(eventsOf(second, 'round').map(({ metrics }) => [metrics.round, metrics.feedback?.groups])).toEqual(
      [[1, 2]],
    );
    expect((await adapterOf(path)).equals(afterFirst)).toBe(false);
    const groups = await Promise.all(
      voted.map(async ({ id }) =>
        JSON.parse(await readFile(join(path, 'gateway', 'groups', id, 'group.json'), 'utf8')),
      ),
    );
    expect(groups.map(({ round, decision }) => [round, decision.rewards])).toEqual([
      [0, [1, 0, 0]],
      [0, [0, 1, 0]],
      [1, [0, 0, 1]],
      [1, [1, 0, 0]],
    ]);
    expect((await readFile(join(path, 'gateway', 'votes.jsonl'), 'utf8')).trim().split('\n')).toHaveLength(4);
  });

  it('should give people two policies to choose from, and go back to the one that they prefer, also after a stop', async () => {
    const path = join(await temporaryFolder(), 'run');
    const config = await tinyConfig(await temporaryFolder(), {
      overrides: [
        ...GATEWAY,
        'stages.prompts.numRounds=3',
        'stages.sampler.forkPlan=independent',
        'stages.gateway.serve.canary={share: 1, confidence: 0.6, leastChoices: 3, mostRounds: 2}',
      ],
    });
    /** The policies of the groups that a round was trained on, from the files, as nobody is told before they choose. */
    const seen: unknown[] = [];
    const trainRound = async (desk: Desk, round: number) => {
      const begun = new Promise<void>((resolve) => {
        desk.events$.subscribe((event) => event.type === 'round' && event.round === round && resolve());
      });
      for (const seed of [1, 2]) {
        const { id } = await ask(desk, 10 * round + seed);
        const { comparison, policyVersion } = JSON.parse(
          await readFile(join(path, 'gateway', 'groups', id, 'group.json'), 'utf8'),
        );
        seen.push([policyVersion, comparison?.canary ?? null]);
        const best = [0, 1, 2].find((place) => !comparison?.pictures.includes(place)) ?? 0;
        await desk.vote(id, { voter: 'ann', best });
      }
      // Of the last round nobody hears: the run is over.
      if (round < 2) await begun;
    };
    const ending = new AbortController();
    const first = await runTiny({
      config,
      path,
      signal: ending.signal,
      serveDesk: serving(async (desk) => {
        for (const round of [0, 1]) await trainRound(desk, round);
        ending.abort();
      }),
    });
    const second = await runTiny({
      config,
      path,
      resume: true,
      serveDesk: serving((desk) => trainRound(desk, 2)),
    });
    expect([first.error, second.error]).toEqual([undefined, undefined]);
    expect(seen).toEqual([
      [0, null],
      [0, null],
      [0, 1],
      [0, 1],
      [0, 1],
      [0, 1],
    ]);
    const rounds = [first, second].flatMap((run) =>
      eventsOf(run, 'round').map(({ metrics }) => metrics.canary),
    );
    expect(rounds).toMatchObject([
      { stable: 0, canary: null, verdict: 'hold' },
      { stable: 0, canary: 1, wins: 0, losses: 2, verdict: 'hold' },
      { stable: 0, canary: 1, wins: 0, losses: 4, verdict: 'roll-back' },
    ]);
    expect(eventsOf(second, 'alarm').map(({ alarm }) => alarm.guard)).toEqual(['canary']);
    // It is the policy that the run began with, which changes nothing.
    const { tensors } = decodeSafetensors(await adapterOf(path), path);
    const ups = [...tensors].flatMap(([name, { data }]) => (/lora(_B|\.up)/.test(name) ? [...data] : []));
    expect(ups.length).toBeGreaterThan(0);
    expect(ups.filter((value) => value !== 0)).toEqual([]);
  });

  it('should draw for people and train on a file as well, the people first', async () => {
    const path = join(await temporaryFolder(), 'run');
    const config = await tinyConfig(await temporaryFolder(), {
      overrides: [
        ...GATEWAY,
        'stages.prompts.numRounds=1',
        'stages.prompts.source.from=merge',
        'stages.prompts.source.sources.gateway.from=topic',
        'stages.prompts.source.sources.gateway.whenEmpty=wait',
        'stages.prompts.source.sources.list.from=file',
      ],
    });
    const run = await runTiny({
      config,
      path,
      serveDesk: serving(async (desk) => {
        for (const seed of [1, 2]) {
          const { id } = await ask(desk, seed);
          await desk.vote(id, { voter: 'ann', none: true });
        }
      }),
    });
    expect(run.error).toBeUndefined();
    const [round] = eventsOf(run, 'round');
    expect(round?.metrics).toMatchObject({ groups: 2, lostGroups: 0 });
    expect((round?.metrics.feedback?.groups ?? 0) + (round?.metrics.rewardQueries ?? 0) / 3).toBe(2);
  });
});
