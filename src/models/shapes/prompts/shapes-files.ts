import { WORD_TOKENIZER_CLASS, type WordTokenizerConfig } from '../../pipeline/tokenizers/word-tokenizer.js';
import { TEMPLATES, WORDS } from './grammar.js';
import { parsePrompt } from './parse-prompt.js';
import { promptFileText, promptLists } from './prompt-lists.js';

/** Start, the eight words of "a red circle left of a blue square", end, and two spare ones. */
const MODEL_MAX_LENGTH = 12;

const TOKENIZER_CONFIG: WordTokenizerConfig = {
  tokenizer_class: WORD_TOKENIZER_CLASS,
  model_max_length: MODEL_MAX_LENGTH,
  bos_token: '<bos>',
  eos_token: '<eos>',
  pad_token: '<pad>',
  unk_token: '<unk>',
};

/** The content of the shapes model's `tokenizer/` folder, by file name. Ids: pad, bos, eos, unk, then WORDS. */
export function shapesTokenizerFiles(): Readonly<Record<string, string>> {
  const { pad_token, bos_token, eos_token, unk_token } = TOKENIZER_CONFIG;
  const tokens = [pad_token, bos_token, eos_token, unk_token, ...WORDS];
  return {
    'vocab.json': jsonText(Object.fromEntries(tokens.map((token, id) => [token, id]))),
    'tokenizer_config.json': jsonText(TOKENIZER_CONFIG),
  };
}

/** The content of the shapes model's `prompts/` folder, by file name. */
export function shapesPromptFiles(): Readonly<Record<string, string>> {
  const { train, heldOut } = promptLists();
  return {
    'train.txt': promptFileText('The prompts that reinforcement learning trains on.', train),
    'held-out.txt': promptFileText('Unseen combinations of known words, kept from all training.', heldOut),
    'train-relations.jsonl': train.map(relationsMoreOften).join(''),
    'study.txt': promptFileText(
      'Twelve of the training prompts, four of each template: what the policies of the study train on.',
      ofEachTemplate(train, 4, 8),
    ),
    'study-tuning.txt': promptFileText(
      "Twelve others: the study's settings are chosen on them, apart from what it reports.",
      ofEachTemplate(train, 8, 12),
    ),
  };
}

/** Of every template the prompts from one place to another. */
function ofEachTemplate(prompts: readonly string[], start: number, end: number): string[] {
  return TEMPLATES.flatMap((template) =>
    prompts.filter((prompt) => parsePrompt(prompt).template === template).slice(start, end),
  );
}

/** A line of JSON: relations, which are learned slowest, are drawn three times as often as the other templates. */
function relationsMoreOften(prompt: string): string {
  const weight = parsePrompt(prompt).template === 'relation' ? { weight: 3 } : {};
  return `${JSON.stringify({ prompt, ...weight })}\n`;
}

function jsonText(content: unknown): string {
  return `${JSON.stringify(content, null, 2)}\n`;
}
