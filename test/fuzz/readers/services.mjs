/** @file Answers of services that this program asks: vision-language models and the hub. No socket is opened. */

import { openHubModel } from '../../../dist/models/hub/hub-client.js';
import { createChatService } from '../../../dist/models/rewards/services/chat-service.js';
import { damagedJson } from '../damage.mjs';

/** Every request of this process is answered by `answer`, which is given its address. */
function answerRequests(answer) {
  globalThis.fetch = async (input) =>
    new Response(answer(String(input?.url ?? input)), { headers: { 'content-type': 'application/json' } });
}

const SHA = 'a'.repeat(40);
const chatAnswer = {
  choices: [
    {
      message: { content: 'Yes' },
      logprobs: { content: [{ top_logprobs: [{ token: 'Yes', logprob: -0.1 }] }] },
    },
  ],
};
const info = {
  _id: '1',
  id: 'owner/name',
  sha: SHA,
  private: false,
  downloads: 1,
  likes: 1,
  gated: false,
  lastModified: '2026-01-01T00:00:00.000Z',
};
const list = [
  { type: 'file', path: 'model_index.json', size: 3, oid: SHA },
  {
    type: 'file',
    path: 'unet/a.safetensors',
    size: 9,
    oid: SHA,
    lfs: { oid: 'b'.repeat(64), size: 9, pointerSize: 1 },
  },
  { type: 'directory', path: 'unet', size: 0, oid: SHA },
];

const hub = (name, damagedPart) => ({
  name,
  async open() {
    let file = Buffer.alloc(0);
    answerRequests((address) =>
      address.includes('/tree/') === (damagedPart === 'list')
        ? file
        : JSON.stringify(damagedPart === 'list' ? info : list),
    );
    const signal = new AbortController().signal;
    return {
      files: damagedJson([JSON.stringify(damagedPart === 'list' ? list : info)]),
      async read(bytes) {
        file = bytes;
        await openHubModel({
          id: 'owner/name',
          revision: 'main',
          hubUrl: 'https://hub.example',
          token: null,
          signal,
        });
      },
    };
  },
});

export const services = [
  {
    name: 'answer of a chat service',
    async open() {
      let file = Buffer.alloc(0);
      answerRequests(() => file);
      const chat = createChatService(
        { url: 'https://chat.example/v1', model: 'a', maxTokens: 8, timeoutMs: 1_000 },
        { imageShape: [3, 1, 1], environment: {} },
        { wantsLogprobs: true, wait: async () => {} },
      );
      const signal = new AbortController().signal;
      return {
        files: damagedJson([JSON.stringify(chatAnswer)]),
        async read(bytes) {
          file = bytes;
          await chat.ask('Is it red?', new Float32Array(3), signal);
        },
      };
    },
  },
  hub('list of files of the hub', 'list'),
  hub('description of a model of the hub', 'info'),
];
