import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { loadTopology } from '../../../src/streams/config/load-topology.js';
import type { Evaluation } from '../../../src/streams/messages/run-events.js';
import { modelCard } from '../../../src/streams/report/model-card.js';

const evaluation = (round: number, train: number, heldOut: number) =>
  ({ round, train: { rewardMean: train }, heldOut: { rewardMean: heldOut } }) as Evaluation;

const cardOf = async (changes: Partial<Parameters<typeof modelCard>[0]> = {}) =>
  modelCard({
    id: 'owner/animals',
    config: await loadTopology('config/sd15-ddpo-aesthetic.yaml'),
    evaluations: [evaluation(0, 5.25, 5.5), evaluation(200, 6.125, 6)],
    rounds: Array.from({ length: 200 }),
    base: 'stable-diffusion-v1-5/stable-diffusion-v1-5',
    license: 'creativeml-openrail-m',
    pictures: { before: 'before.png', after: 'after.png', prompts: ['a cat: "tiny"', 'a dog'] },
    ...changes,
  });

describe('modelCard', () => {
  it('should be the card that huggingface_hub was given', async () => {
    await expect(await cardOf()).toMatchFileSnapshot('../../fixtures/model-card/card.md');
    // tools/reference/model_card.py writes it: what ModelCard.load makes of that file.
    const parsed = JSON.parse(await readFile('test/fixtures/model-card/parsed.json', 'utf8'));
    const [, metadata = ''] = (await cardOf()).split('---\n');
    expect(parsed.data).toEqual(parse(metadata));
    expect(parsed.text).toMatch(/^# animals/);
  });

  it('should name neither folders nor services, and say what nobody said', async () => {
    const card = await cardOf({
      base: null,
      license: null,
      pictures: null,
      rounds: Array.from({ length: 3 }),
    });
    expect(card).not.toContain(process.cwd());
    expect(card).toContain('license: unknown\n');
    expect(card).toContain('3 of 200 rounds');
    expect(card).not.toMatch(/base_model|## Before/);
  });
});
