/** @file Files of prompts, by their kind. */
import { readFile, writeFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { describePromptFile, readPromptFile } from '../../../dist/streams/prompt-files/prompt-file.js';
import { damagedBytes, damagedJson, damagedJsonLines } from '../damage.mjs';

const fixtures = join(import.meta.dirname, '../../fixtures/prompt-files');

/** A reader of files like the fixtures of these names. */
const ofKind = (name, fixtureNames, damage) => ({
  name,
  async open(folder) {
    const whole = await Promise.all(fixtureNames.map((file) => readFile(join(fixtures, file))));
    const path = join(folder, `prompts${extname(fixtureNames[0])}`);
    return {
      files: damage(whole),
      async read(bytes) {
        await writeFile(path, bytes);
        describePromptFile(await readPromptFile(path, { comments: true, check: () => {} }));
      },
    };
  },
});

export const promptFiles = [
  ofKind('prompts in JSON', ['list.json'], damagedJson),
  ofKind('prompts in JSON Lines', ['lines.jsonl'], damagedJsonLines),
  ofKind('prompts in CSV', ['table.csv', 'excel.csv', 'lone-cr.csv'], damagedBytes),
  ofKind('prompts in TSV', ['table.tsv', 'bare-quotes.tsv'], damagedBytes),
  ofKind('prompts in plain text', ['plain.txt', 'big-endian.txt', 'little-endian.txt'], damagedBytes),
];
