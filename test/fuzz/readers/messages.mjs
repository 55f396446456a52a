/** @file Messages that other processes, services and people send. */
import { TributaryError } from '../../../dist/errors.js';
import { readRewardResponse } from '../../../dist/models/rewards/services/scored-answer.js';
import { readPromptsRequest } from '../../../dist/streams/stages/prompts/read-prompts-request.js';
import { recordCodec } from '../../../dist/streams/transport/wire/record.js';
import { SCHEMA_VERSION, WIRE_CODECS } from '../../../dist/streams/transport/wire/wire-codecs.js';
import { damagedBytes, damagedJson } from '../damage.mjs';

const ticket = { groupId: '0-1', groupIndex: 1, round: 0, prompt: 'a red circle' };
const interval = { round: 0, firstStep: 1, numSteps: 3, trainedSteps: [1, 2] };
const group = { ...ticket, interval, tree: { firstStep: 1, widths: [1, 2, 2] }, policyVersion: 0 };
const numbers = (...values) => Float32Array.of(...values);
const branch = { firstStep: 1, latents: numbers(1, 2, 3), logProbs: numbers(-1, -2) };
const branches = [branch, { ...branch, latents: numbers(1, 5, 6) }];
const request = {
  id: 'g-1',
  prompt: 'a red circle',
  seed: 4,
  requestedBy: 'ann',
  requestedAt: 1,
  expiresAt: 2,
};
const feedback = { groupId: 'g-1', voter: 'ann', givenAt: 3 };
const png = Uint8Array.of(137, 80);
const metric = { kind: 'scored', groupId: '0-1', round: 0, images: 2 };
const prompts = ['a red circle', 'a blue square'];

/** Whole messages of each topic. */
const MESSAGES = {
  'incoming-prompts': [{ id: 'a', prompt: 'a red circle' }],
  prompts: [ticket, { ...ticket, sourceId: 'b' }],
  images: [{ ...group, imageShape: [3, 1, 1], branches: [numbers(0, 0.5, 1), numbers(0, 0.5, -1)] }],
  trajectories: [{ ...group, branches, noiseIndex: 7 }],
  rewards: [
    { groupId: '0-1', round: 0, rewards: [0.5, -1] },
    { groupId: '0-1', round: 0, reason: 'dead-letter', detail: 'none' },
  ],
  schedule: [interval],
  policy: [{ version: 3, parameters: { 'mid.lora_A': numbers(1, 2, 3), 'mid.lora_B': numbers(0) } }],
  progress: [{ finishedGroups: 4, round: 1, isOver: false, sharedConfig: 'f' }],
  control: [
    {
      version: 2,
      learningRateScale: 0.5,
      guards: { ratioDrift: { threshold: 0.1, action: 'warn' } },
      schedule: { shift: -1, frozenAt: 2 },
      prompts,
    },
  ],
  metrics: [
    { ...metric, verdicts: null },
    { ...metric, verdicts: { satisfied: 1, score: 0.5 } },
    { kind: 'judged', groupId: '0-1', round: 0, votes: 2, agreement: 0.5, expired: 1, stale: 0 },
  ],
  requests: [request],
  drawn: [
    { request, fault: 'too long' },
    {
      request,
      group: { ...group, branches },
      size: [2, 1],
      pictures: [png, png],
      guesses: [{ step: 1, node: 0, png }],
    },
  ],
  feedback: [
    { ...feedback, judgment: { best: 1 } },
    { ...feedback, judgment: { ranking: [1, 0] } },
    { ...feedback, judgment: { ratings: [0.5, 1] } },
    { ...feedback, judgment: { none: true } },
  ],
};

const topics = Object.keys(MESSAGES).map((topic) => ({
  name: `message ${topic}`,
  open: async () => ({
    files: damagedBytes(MESSAGES[topic].map((message) => WIRE_CODECS[topic].encode(message))),
    // What was read can be written again.
    read: async (bytes) => WIRE_CODECS[topic].encode(WIRE_CODECS[topic].decode(bytes)),
  }),
}));

/** Messages that name a payload which lies elsewhere. */
const claim = {
  name: 'message by claim',
  async open() {
    const payload = WIRE_CODECS.prompts.encode(ticket);
    const codec = recordCodec({
      payloads: {
        put: async () => ({ uri: 'file:a', size: 40, sha256: 'ab'.repeat(32) }),
        get: async () => payload,
      },
      maxInlineBytes: 0,
      maxPayloadBytes: 1_000_000,
    });
    const { value, headers } = await codec.claim({
      value: payload,
      headers: { 'schema-version': SCHEMA_VERSION },
    });
    return {
      files: damagedBytes([value]),
      read: async (bytes) => codec.read('prompts', { value: bytes, headers }),
    };
  },
};

const quote = (text) => text.slice(0, 80);

/** A fault without a code of its own is told by its status. */
async function readRequest(bytes) {
  try {
    readPromptsRequest(bytes.toString('utf8'));
  } catch (error) {
    throw error?.status === 400 ? new TributaryError('TRIB_MESSAGE', error.message) : error;
  }
}

async function readAnswer(bytes) {
  const answer = readRewardResponse(bytes.toString('utf8'), 2, quote);
  if ('expected' in answer) throw new TributaryError('TRIB_REWARD', answer.got);
}

export const messages = [
  ...topics,
  claim,
  {
    name: 'request of prompts',
    open: async () => ({
      files: damagedJson([
        JSON.stringify({ prompts, ids: ['a', 'b'] }),
        JSON.stringify({ prompt: prompts[0], id: 'a' }),
      ]),
      read: readRequest,
    }),
  },
  {
    name: 'answer of a reward service',
    open: async () => ({
      files: damagedJson([
        JSON.stringify({
          rewards: [0.5, 1],
          embeddings: [
            [1, 0],
            [0, 1],
          ],
        }),
        JSON.stringify({ rewards: [0.5, 1] }),
      ]),
      read: readAnswer,
    }),
  },
];
