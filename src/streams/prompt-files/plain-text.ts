import { linesOf } from './decode-text.js';
import { type PromptRow, type PromptRows, promptFault } from './prompt-row.js';

/**
 * One prompt a line. Empty lines are left out, and with `comments` those that begin with #. A line that begins like a JSON
 * object is refused: taken for a prompt, it would silently be trained on.
 */
export function readPlainText(path: string, text: string, { comments }: { comments: boolean }): PromptRows {
  const rows: PromptRow[] = [];
  let [numComments, emptyLines] = [0, 0];
  for (const [index, line] of linesOf(text).entries()) {
    const value = line.trim();
    if (value === '') emptyLines++;
    else if (comments && value.startsWith('#')) numComments++;
    else {
      if (looksLikeObject(value))
        throw promptFault(`${path}:${index + 1}`, {
          expected: 'a prompt',
          got: 'what begins like a JSON object',
          nextStep: 'Write JSON on every line and name the file .jsonl, or keep to plain text.',
        });
      rows.push({ place: `:${index + 1}`, value });
    }
  }
  return { rows, comments: numComments, emptyLines };
}

/** `{"`, `{ "`, `{}`: no prompt begins like this, and templates such as `{red|blue}` do not match. */
export function looksLikeObject(line: string): boolean {
  return /^\{\s*["}]/.test(line);
}
