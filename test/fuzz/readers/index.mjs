/**
 * @file Every reader of files and messages that others write. `files` is an arbitrary of damaged ones; `read` gives one to
 * the reader. Readers of configs take milliseconds a file and get fewer.
 */
import { adapters } from './adapters.mjs';
import { configs } from './configs.mjs';
import { graphs } from './graphs.mjs';
import { messages } from './messages.mjs';
import { pipelines } from './pipelines.mjs';
import { promptFiles } from './prompt-files.mjs';
import { runs } from './runs.mjs';
import { services } from './services.mjs';

/** @type {{ name: string, isSlow?: boolean, open: (folder: string) => Promise<{ files: unknown, read: Function }> }[]} */
export const readers = [
  ...adapters,
  ...graphs,
  ...pipelines,
  ...runs,
  ...promptFiles,
  ...messages,
  ...services,
  ...configs,
];
