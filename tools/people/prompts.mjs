/** @file The prompts of the measurement on which nobody votes. */

import { formatPrompt, promptMeaning, TEMPLATES } from '../../dist/models/shapes/prompts/grammar.js';
import { parsePrompt } from '../../dist/models/shapes/prompts/parse-prompt.js';
import { captionPrompts, promptLists } from '../../dist/models/shapes/prompts/prompt-lists.js';

/**
 * The 36 held-out combinations, which the base model has never seen either, and as many of each template as there are
 * up to `others` that the base model knows but are not among those that are voted on, in whatever words: evenly spaced
 * in the enumeration.
 */
export function unseenPrompts(others) {
  const { train, heldOut } = promptLists();
  const voted = new Set(train.map((prompt) => promptMeaning(parsePrompt(prompt))));
  const rest = TEMPLATES.flatMap((template) => {
    const free = captionPrompts(template).filter((prompt) => !voted.has(promptMeaning(prompt)));
    const byMeaning = [...new Map(free.map((prompt) => [promptMeaning(prompt), prompt])).values()];
    const count = Math.min(others, byMeaning.length);
    return Array.from({ length: count }, (_, index) =>
      formatPrompt(byMeaning[Math.floor(((index + 0.5) * byMeaning.length) / count)]),
    );
  });
  return [
    ...heldOut.map((prompt) => ({ prompt, list: 'held-out' })),
    ...rest.map((prompt) => ({ prompt, list: 'other' })),
  ];
}
