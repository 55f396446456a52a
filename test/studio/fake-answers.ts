/** @file What the stand-in of the gateway says of its run, and how it answers. */

import { readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import type { RunInfo } from '../../src/client/types.js';

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript',
  css: 'text/css',
};
const SECURITY = "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'";

/** The run after a round of the script. */
export function runInfo(round: number): RunInfo {
  return {
    id: 'studio',
    name: 'studio',
    state: 'running',
    round: round + 1,
    numRounds: 66,
    policyVersion: round + 1,
    progress: {
      round: round + 1,
      numRounds: 66,
      trainedSteps: [0, 1, 2, 3, 4, 5],
      groupsSampled: 5,
      groupsPerRound: 8,
    },
    feedback: { rule: 'best-of-n', voters: 1, pictures: 4 },
    examples: [
      'a red circle above a blue square',
      'three green triangles',
      'a yellow square and a purple circle',
    ],
    workers: [
      { role: 'trainer', process: 'tributary process 7 on here' },
      { role: 'sampler', process: 'tributary process 8 on here', idleShare: 0.2, groups: 410 },
      { role: 'sampler', process: 'tributary process 9 on there' },
      { role: 'reward' },
    ],
    deadLetters: [{ stage: 'reward', group: '12-3', reason: 'reward: expected a finite number, got NaN.' }],
    control: {
      canChange: true,
      wanted: {
        version: 0,
        learningRateScale: 1,
        guards: {},
        schedule: { shift: 0, frozenAt: null },
        prompts: null,
      },
    },
  };
}

export function send(response: ServerResponse, body: object | Uint8Array | null): void {
  if (body === null) problem(response, 404, 'unknown', 'There is no such thing here.');
  else if (body instanceof Uint8Array) response.writeHead(200, { 'content-type': 'image/png' }).end(body);
  else response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

export function sendPage(response: ServerResponse, path: string): void {
  const type = TYPES[path.split('.').at(-1) ?? ''];
  if (!type) problem(response, 404, 'unknown', 'There is no such page.');
  else
    response
      .writeHead(200, { 'content-type': type, 'content-security-policy': SECURITY })
      .end(readFileSync(path));
}

export function problem(response: ServerResponse, status: number, code: string, detail: string): void {
  response
    .writeHead(status, { 'content-type': 'application/problem+json' })
    .end(JSON.stringify({ status, code, detail }));
}
