/**
 * @file Which prompts are trained on and which are held out. The choice is a pure function of the grammar, so the
 * committed lists can be checked against it.
 */
import {
  enumeratePrompts,
  formatPrompt,
  type ParsedPrompt,
  promptMeaning,
  TEMPLATES,
  type Template,
  wantedKinds,
} from './grammar.js';

/** Prompts of each template in the list that reinforcement learning trains on. */
const NUM_TRAIN_PROMPTS = 24;
/** Prompts of each template in the list of unseen combinations. */
const NUM_HELD_OUT_PROMPTS = 12;

interface PromptLists {
  readonly train: readonly string[];
  readonly heldOut: readonly string[];
  /** By template: every prompt whose meaning is not held out. */
  readonly captions: Readonly<Record<Template, readonly ParsedPrompt[]>>;
  readonly heldOutMeanings: ReadonlySet<string>;
}

let cachedLists: PromptLists | null = null;

/**
 * Returns the two prompt lists, with `NUM_TRAIN_PROMPTS` and `NUM_HELD_OUT_PROMPTS` prompts of each template.
 *
 * Like B²-DiffuRL's prompt sets (45 animal-activity pairs in the release, the other pairs held out), the held-out list
 * tests unseen combinations: all of its words are in the training list. A held-out meaning is never a caption in any
 * wording ("a above b" also excludes "b below a").
 *
 * Departure: two objects of a listed prompt differ in color and in shape, so that each prompt really asks for binding.
 */
export function promptLists(): Pick<PromptLists, 'train' | 'heldOut'> {
  return lists();
}

/** The prompts that may caption a picture in pretraining: all that are not held out, a superset of the train list. */
export function allPrompts(): readonly string[] {
  return TEMPLATES.flatMap((template) => captionPrompts(template).map(formatPrompt));
}

/** Like `allPrompts`, but of one template and parsed. */
export function captionPrompts(template: Template): readonly ParsedPrompt[] {
  return lists().captions[template];
}

/** Whether the combination is kept out of all training, in whatever words. */
export function isHeldOut(prompt: ParsedPrompt): boolean {
  return lists().heldOutMeanings.has(promptMeaning(prompt));
}

/** The text of a prompt file: a comment, then one prompt a line. */
export function promptFileText(comment: string, prompts: readonly string[]): string {
  return `# ${comment}\n${prompts.join('\n')}\n`;
}

function lists(): PromptLists {
  cachedLists ??= buildLists();
  return cachedLists;
}

function buildLists(): PromptLists {
  const train: string[] = [];
  const heldOut: string[] = [];
  const heldOutMeanings = new Set<string>();
  const captionsOf = (template: Template): ParsedPrompt[] => {
    const candidates = byHash(enumeratePrompts(template).filter(isFullyBound));
    const held = pickBalanced(candidates, NUM_HELD_OUT_PROMPTS, new Set());
    for (const prompt of held) heldOutMeanings.add(promptMeaning(prompt));
    heldOut.push(...held.map(formatPrompt));
    train.push(...pickBalanced(candidates, NUM_TRAIN_PROMPTS, heldOutMeanings).map(formatPrompt));
    return enumeratePrompts(template).filter((prompt) => !heldOutMeanings.has(promptMeaning(prompt)));
  };
  const captions = {
    binding: captionsOf('binding'),
    counting: captionsOf('counting'),
    relation: captionsOf('relation'),
  };
  return { train, heldOut, captions, heldOutMeanings };
}

/** Whether color alone and shape alone each tell the two objects apart. */
function isFullyBound(prompt: ParsedPrompt): boolean {
  return (
    prompt.template === 'counting' ||
    (prompt.first.color !== prompt.second.color && prompt.first.shape !== prompt.second.shape)
  );
}

/** Repeatedly takes the prompt whose words were used least; ties go to the earlier one. No meaning occurs twice. */
function pickBalanced(
  candidates: readonly ParsedPrompt[],
  amount: number,
  barredMeanings: ReadonlySet<string>,
): ParsedPrompt[] {
  const usedMeanings = new Set(barredMeanings);
  const uses = new Map<string, number>();
  const picked: ParsedPrompt[] = [];
  while (picked.length < amount) {
    let best: ParsedPrompt | null = null;
    let bestCost = Number.POSITIVE_INFINITY;
    for (const candidate of candidates) {
      if (usedMeanings.has(promptMeaning(candidate))) continue;
      const cost = traits(candidate).reduce((sum, trait) => sum + (uses.get(trait) ?? 0), 0);
      if (cost < bestCost) [best, bestCost] = [candidate, cost];
    }
    if (best === null) break;
    picked.push(best);
    usedMeanings.add(promptMeaning(best));
    for (const trait of traits(best)) uses.set(trait, (uses.get(trait) ?? 0) + 1);
  }
  return picked;
}

/** What the lists balance: words, and color-shape pairs. */
function traits(prompt: ParsedPrompt): string[] {
  const kinds = prompt.template === 'counting' ? [prompt.kind] : wantedKinds(prompt);
  const own = prompt.template === 'counting' ? [`${prompt.count}`] : [];
  if (prompt.template === 'relation') own.push(prompt.relation);
  return [...own, ...kinds.flatMap(({ color, shape }) => [color, shape, `${color} ${shape}`])];
}

/** Sorts in a fixed, arbitrary-looking order that depends on the texts alone (FNV-1a, 32 bits). */
function byHash(prompts: readonly ParsedPrompt[]): ParsedPrompt[] {
  const hash = (text: string) => {
    let state = 0x811c9dc5;
    for (const character of text) state = Math.imul(state ^ character.charCodeAt(0), 0x01000193) >>> 0;
    return state;
  };
  return prompts
    .map((prompt) => ({ prompt, key: hash(formatPrompt(prompt)) }))
    .sort((a, b) => a.key - b.key)
    .map(({ prompt }) => prompt);
}
