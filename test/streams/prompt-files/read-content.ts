import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readPromptFile } from '../../../src/streams/prompt-files/prompt-file.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';

/** Reads a file of this content; the place of the folder is taken out of what is said. */
export async function read(
  content: string | Uint8Array,
  { name = 'prompts.txt', comments = true, check = (_: string): unknown => undefined } = {},
) {
  const folder = await temporaryFolder();
  const path = join(folder, name);
  await writeFile(path, content);
  return readPromptFile(path, { comments, check: ({ prompt }) => void check(prompt) }).catch(
    (error: Error) => {
      error.message = error.message.replaceAll(`${folder}/`, '');
      throw error;
    },
  );
}
