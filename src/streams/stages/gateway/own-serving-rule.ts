import type { Rgb8Image } from '../../../models/images/picture.js';
import { createOwn, type OwnSettings, ownFault } from '../../../own-entries.js';

/** A prompt that somebody asks to have drawn. */
export interface AskedPrompt {
  readonly prompt: string;
  /** Who asks, by the name they gave. */
  readonly user: string;
  /** Aborted once the answer comes too late. */
  readonly signal: AbortSignal;
}

/** The pictures of a prompt that were drawn, and that nobody has seen. */
export interface DrawnPrompt extends AskedPrompt {
  /** All pictures of the group, in 8 bits: `data` [height, width, 3], as they would be shown. */
  readonly images: readonly Rgb8Image[];
}

type Answer = string | null;

/**
 * What a module makes of its options: what people must not be given. Both functions return null for what may be, and
 * otherwise why not, which the asker reads. They may be asynchronous, and are called side by side.
 */
export interface OwnServingRule {
  /** Judges a prompt before it is drawn. */
  readonly prompt?: (asked: AskedPrompt) => Answer | Promise<Answer>;
  /** Judges the pictures of a group before anyone sees them. */
  readonly pictures?: (drawn: DrawnPrompt) => Answer | Promise<Answer>;
}

export interface ServingRuleFunctions {
  readonly prompt: (asked: AskedPrompt) => Promise<Answer>;
  readonly pictures: (drawn: DrawnPrompt) => Promise<Answer>;
}

/**
 * Creates the rule of a module. What it does not judge may be served.
 *
 * Errors: TRIB_CONFIG if it has neither function; from its functions, too, if they throw or return something else.
 */
export function createServingRule(settings: OwnSettings): ServingRuleFunctions {
  const { module } = settings;
  const { prompt, pictures } = (createOwn('serving rule', settings) ?? {}) as Partial<OwnServingRule>;
  const isJudge = (one: unknown) => one === undefined || typeof one === 'function';
  if (!isJudge(prompt) || !isJudge(pictures) || (prompt ?? pictures) === undefined)
    throw ownFault(
      'serving rule',
      module,
      'create to return a function prompt, or pictures, or both',
      `prompt: ${typeof prompt}, pictures: ${typeof pictures}`,
    );
  const judging =
    <Judged>(name: string, judge: ((judged: Judged) => unknown) | undefined) =>
    async (judged: Judged): Promise<Answer> => {
      const answer = await Promise.resolve(judged)
        .then(judge ?? (() => null))
        .catch((cause: unknown) => {
          throw ownFault('serving rule', module, `${name} to return`, quoted(String(cause)), cause);
        });
      if (answer === null || (typeof answer === 'string' && answer.trim() !== '')) return answer;
      const got = quoted(JSON.stringify(answer) ?? typeof answer);
      throw ownFault('serving rule', module, `${name} to return null, or why it may not be served`, got);
    };
  return { prompt: judging('prompt', prompt), pictures: judging('pictures', pictures) };
}

const quoted = (text: string): string => JSON.stringify(text.slice(0, 300));
