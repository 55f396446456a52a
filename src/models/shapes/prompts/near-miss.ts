/** @file Prompts that are almost right: the wrong captions of pretraining, the hard negatives of the reward model. */
import {
  COLORS,
  COUNT_WORDS,
  formatPrompt,
  isSameKind,
  type ObjectKind,
  type ParsedPrompt,
  promptMeaning,
  RELATIONS,
  SHAPES,
} from './grammar.js';
import { parsePrompt } from './parse-prompt.js';
import { isHeldOut } from './prompt-lists.js';

/**
 * Returns another prompt of the same template that differs in exactly one attribute: first the kind of attribute is
 * drawn (color, shape, count, relation), then the change. Never a held-out combination, never the same meaning.
 *
 * @param random uniform in [0, 1); two draws.
 */
export function corruptCaption(prompt: string, random: () => number): string {
  const variants = oneAttributeVariants(parsePrompt(prompt)).filter((group) => group.length > 0);
  return formatPrompt(pick(pick(variants, random), random));
}

/**
 * Returns up to `n` near misses of a prompt, all of its template, with different meanings, none held out: those that differ
 * in one attribute, and those that exchange the objects' colors, shapes or places. Fewer only if there are fewer.
 *
 * @param random uniform in [0, 1).
 */
export function hardNegatives(prompt: string, random: () => number, n: number): string[] {
  const parsed = parsePrompt(prompt);
  const candidates = [...oneAttributeVariants(parsed).flat(), ...exchanges(parsed)];
  const chosen = new Map<string, string>();
  while (chosen.size < n && candidates.length > 0) {
    const [candidate] = candidates.splice(Math.floor(random() * candidates.length), 1);
    if (candidate && !chosen.has(promptMeaning(candidate))) {
      chosen.set(promptMeaning(candidate), formatPrompt(candidate));
    }
  }
  return [...chosen.values()];
}

/** All usable prompts one attribute away, grouped by the kind of attribute. */
function oneAttributeVariants(prompt: ParsedPrompt): ParsedPrompt[][] {
  const groups: ParsedPrompt[][] = [];
  if (prompt.template === 'counting') {
    groups.push(COUNT_WORDS.map((_, index) => ({ ...prompt, count: index + 1 })));
    groups.push(recolor(prompt.kind).map((kind) => ({ ...prompt, kind })));
    groups.push(reshape(prompt.kind).map((kind) => ({ ...prompt, kind })));
  } else {
    for (const change of [recolor, reshape]) {
      groups.push([
        ...change(prompt.first).map((first) => ({ ...prompt, first })),
        ...change(prompt.second).map((second) => ({ ...prompt, second })),
      ]);
    }
    if (prompt.template === 'relation') groups.push(RELATIONS.map((relation) => ({ ...prompt, relation })));
  }
  return groups.map((group) => group.filter((variant) => isUsable(variant, prompt)));
}

/** The classic confusions: the right words, bound wrongly. */
function exchanges(prompt: ParsedPrompt): ParsedPrompt[] {
  if (prompt.template === 'counting') return [];
  const { first, second } = prompt;
  return [
    { ...prompt, first: { ...first, color: second.color }, second: { ...second, color: first.color } },
    { ...prompt, first: second, second: first },
  ].filter((variant) => isUsable(variant, prompt));
}

function isUsable(variant: ParsedPrompt, original: ParsedPrompt): boolean {
  const isWellFormed = variant.template === 'counting' || !isSameKind(variant.first, variant.second);
  return isWellFormed && promptMeaning(variant) !== promptMeaning(original) && !isHeldOut(variant);
}

function recolor(kind: ObjectKind): ObjectKind[] {
  return COLORS.map((color) => ({ ...kind, color }));
}

function reshape(kind: ObjectKind): ObjectKind[] {
  return SHAPES.map((shape) => ({ ...kind, shape }));
}

function pick<T>(values: readonly T[], random: () => number): T {
  return values[Math.floor(random() * values.length)]!;
}
