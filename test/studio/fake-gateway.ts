/** @file A stand-in for the gateway: a scripted run with real pictures and figures, over the studio's HTTP interface. */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { MetricsLine, RunInfo, ServedGroup, ServerEvent } from '../../src/client/types.js';
import { drawnPrompts, pngOf, readFixture, TREE_ROUNDS } from './drawn-pictures.js';
import { problem, runInfo, send, sendPage } from './fake-answers.js';

export interface FakeGateway {
  readonly url: string;
  readonly run: { info: RunInfo; lines: MetricsLine[] };
  /** Every body that was posted, with its path. */
  readonly posted: { readonly path: string; readonly body: Record<string, unknown> }[];
  readonly groups: Map<string, ServedGroup>;
  /** While false, asked pictures stay undrawn: `grow` and `finish` draw them. */
  drawsAtOnce: boolean;
  /** The token that is wanted; null for none. */
  token: string | null;
  /** Tells everyone. */
  say(event: ServerEvent): void;
  /** Adds a group, and says so. */
  add(change?: Partial<ServedGroup>): ServedGroup;
  change(id: string, change: Partial<ServedGroup>): void;
  /** Trains the next round of the script. */
  train(): void;
  /** Lets what is being drawn take its steps up to one. */
  grow(step: number): void;
  finish(): void;
  /** Ends all streams of events; browsers come back by themselves. */
  dropListeners(): void;
  close(): Promise<void>;
}

/** Serves the built page in a folder, and a run at round `round` of the demo. */
export async function openFakeGateway(folder: string, { round = 40, port = 0 } = {}): Promise<FakeGateway> {
  const drawn = drawnPrompts();
  const script: MetricsLine[] = String(readFixture('metrics.jsonl'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const begun = script.findIndex((line) => line.kind === 'round' && line.round === round);
  const groups = new Map<string, ServedGroup>();
  const listeners = new Set<ServerResponse>();
  const posted: FakeGateway['posted'] = [];
  const finished: (() => void)[] = [];
  let sent = 0;

  const drawnOf = (id: string) => drawn[Number(id.split('-')[1]) % drawn.length] ?? drawn[0];
  const say = (event: ServerEvent) => {
    for (const listener of listeners)
      listener.write(`id: ${sent}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
    sent++;
  };
  const add = (change: Partial<ServedGroup> = {}): ServedGroup => {
    const id = `group-${groups.size}`;
    const { prompt = '', forkStep = 0, numSteps = 6, trainedSteps = [] } = drawnOf(id) ?? {};
    const later = Array.from({ length: 4 * (numSteps - forkStep - 1) }, (_, index) => ({
      step: forkStep + 1 + Math.floor(index / 4),
      node: index % 4,
    }));
    const tree = {
      firstStep: forkStep,
      numSteps,
      forkStep,
      trainedSteps,
      guesses: [{ step: forkStep, node: 0 }, ...later],
    };
    const group: ServedGroup = {
      id,
      prompt,
      state: 'waiting',
      createdAt: new Date(Date.UTC(2026, 10, 30, 12, 0, groups.size)).toISOString(),
      seed: groups.size,
      policyVersion: fake.run.info.policyVersion,
      comparison: null,
      round: null,
      size: [16, 16],
      pictures: 4,
      tree,
      votes: 0,
      rewards: null,
      agreement: null,
      requestedBy: 'somebody',
      ...change,
    };
    groups.set(id, group);
    say({ type: 'group', group });
    return group;
  };
  const change = (id: string, changed: Partial<ServedGroup>) => {
    const group = groups.get(id);
    if (!group) return;
    groups.set(id, { ...group, ...changed });
    say({ type: 'group', group: { ...group, ...changed } });
  };
  const undrawn = () => [...groups.values()].filter(({ state }) => state === 'drawing');

  /** The picture of a group, or a guess on the way to it. */
  const picture = (id: string, name: string): Uint8Array | null => {
    const of = drawnOf(id);
    const [, step, node] = /^guess-(\d+)-(\d+)\.png$/.exec(name) ?? [];
    if (!of || !groups.has(id)) return null;
    if (step === undefined) {
      const leaf = of.leaves[Number.parseInt(name, 10)];
      return leaf ? pngOf(leaf) : null;
    }
    const leaf = Number(step) > of.forkStep ? of.leaves[Number(node)] : undefined;
    return leaf ? pngOf(leaf, of.guess, Number(step) / of.numSteps) : pngOf(of.guess);
  };

  const vote = (id: string, body: Record<string, unknown>): ServedGroup | null => {
    const group = groups.get(id);
    if (!group) return null;
    const best = 'best' in body ? Number(body.best) : 0;
    const rewards = Array.from({ length: group.pictures }, (_, index) => (index === best ? 1 : 0));
    change(id, 'skip' in body ? {} : { state: 'decided', votes: group.votes + 1, rewards, agreement: 1 });
    return groups.get(id) ?? null;
  };

  const generate = async (body: Record<string, unknown>) => {
    const { id } = add({
      prompt: String(body.prompt),
      requestedBy: String(body.user),
      state: 'drawing',
    });
    if (!fake.drawsAtOnce) await new Promise<void>((resolve) => finished.push(resolve));
    else change(id, { state: 'waiting' });
    return { created: 0, id, data: [] };
  };

  const samples = () => ({
    prompts: String(readFixture('prompts.txt')).trim().split('\n'),
    columns: 8,
    gap: 2,
    rounds: [0, 66],
  });

  const get = (path: string, query: URLSearchParams): object | Uint8Array | null => {
    const inRun = path.replace(/^\/v1\/runs\/[^/]+/, '/v1/run');
    if (path === '/v1/runs') {
      const { id, name, state, numRounds } = fake.run.info;
      const one = { id, name, state, round: fake.run.info.round, numRounds };
      return { runs: [one, { ...one, id: 'other', name: 'other' }] };
    }
    if (path === '/v1/groups') {
      const isMine = (group: ServedGroup) => group.requestedBy === query.get('user');
      const isOpen = ({ state }: ServedGroup) => state === 'waiting';
      return { groups: [...groups.values()].filter(query.has('user') ? isMine : isOpen) };
    }
    const [, id = '', name] = /^\/v1\/groups\/([^/]+)(?:\/pictures\/(.+))?$/.exec(path) ?? [];
    if (name) return picture(id, name);
    if (id !== '') return groups.get(id) ?? null;
    switch (inRun) {
      case '/v1/run':
        return fake.run.info;
      case '/v1/run/metrics': {
        const after = Number(query.get('after') ?? 0);
        return { lines: fake.run.lines.slice(after), next: fake.run.lines.length };
      }
      case '/v1/run/samples':
        return samples();
      case '/v1/run/trees':
        return { rounds: TREE_ROUNDS.filter((one) => one <= fake.run.info.round) };
    }
    const file = /^\/v1\/run\/samples\/([\w-]+\.(?:png|json))$/.exec(inRun)?.[1];
    if (!file) return null;
    return file.endsWith('.json') ? JSON.parse(String(readFixture(file))) : readFixture(file);
  };

  const isAllowed = ({ headers }: IncomingMessage) =>
    fake.token === null ||
    headers.authorization === `Bearer ${fake.token}` ||
    headers.cookie?.includes(`token=${fake.token}`) === true;

  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const { pathname: path, searchParams } = new URL(request.url ?? '/', 'http://fake');
    if (request.method === 'GET' && !path.startsWith('/v1/'))
      return sendPage(response, join(folder, path === '/' ? 'index.html' : path));
    if (!isAllowed(request)) return problem(response, 401, 'unauthorized', 'This server wants a token.');
    if (path === '/v1/session')
      return response.writeHead(204, { 'set-cookie': `token=${fake.token}; HttpOnly` }).end();
    if (path === '/v1/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('retry: 100\n\n');
      listeners.add(response);
      return response.once('close', () => listeners.delete(response));
    }
    if (request.method === 'POST') {
      const body = JSON.parse(await text(request));
      posted.push({ path, body });
      return send(response, await post(path, body));
    }
    if (path.startsWith('/v1/people/'))
      return send(response, { groups: 1, votes: 2, complete: true, gateways: { running: 1, answered: 1 } });
    return send(response, get(path, searchParams));
  };
  const post = async (path: string, body: Record<string, unknown>): Promise<object | null> => {
    if (path === '/v1/images/generations') return generate(body);
    const id = /^\/v1\/groups\/([^/]+)\/feedback$/.exec(path)?.[1];
    if (id !== undefined) return vote(id, body);
    const wanted = { ...fake.run.info.control.wanted, version: 1, schedule: { shift: 0, frozenAt: 12 } };
    return path === '/v1/run/control' ? { wanted } : null;
  };

  const fake: FakeGateway = {
    url: '',
    run: { info: runInfo(round), lines: script.slice(0, begun + 1) },
    posted,
    groups,
    drawsAtOnce: true,
    token: null,
    say,
    add,
    change,
    train: () => {
      const entry = script[fake.run.lines.length];
      if (!entry) return;
      fake.run.lines.push(entry);
      if (entry.kind === 'round')
        fake.run.info = { ...fake.run.info, round: entry.round + 1, policyVersion: entry.policyVersion };
      say({ type: 'metrics', line: fake.run.lines.length - 1, entry });
    },
    grow: (upTo) => {
      for (const { id, tree, pictures } of undrawn()) {
        const isForked = upTo > (tree?.forkStep ?? 0);
        for (let node = 0; node < (isForked ? pictures : 1); node++)
          say({ type: 'step', id, step: upTo, node });
      }
    },
    finish: () => {
      for (const { id } of undrawn()) change(id, { state: 'waiting' });
      for (const resolve of finished.splice(0)) resolve();
    },
    dropListeners: () => {
      for (const listener of listeners) listener.end();
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => problem(response, 500, 'failed', String(error)));
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return Object.assign(fake, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` });
}
