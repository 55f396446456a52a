// Writes the prompt lists and the tokenizer of the shapes model from the grammar: npm run build && node tools/write-shapes-files.mjs
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { shapesPromptFiles, shapesTokenizerFiles } from '../dist/models/shapes/prompts/shapes-files.js';

const model = join(import.meta.dirname, '..', 'models', 'shapes');
for (const [folder, files] of [
  ['prompts', shapesPromptFiles()],
  ['tokenizer', shapesTokenizerFiles()],
]) {
  mkdirSync(join(model, folder), { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(model, folder, name), text);
}
