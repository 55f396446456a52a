/**
 * @file Where onnxruntime-node is. npm leaves it out where its install script fails, which loads CUDA libraries from elsewhere;
 * then npm fetches it once more, without the script, into a cache (docs/decisions/project.md).
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type * as OnnxRuntime from 'onnxruntime-node';
import { TributaryError } from '../../../errors.js';
import { DEPENDENCIES } from '../../../own-package.js';

const NAME = 'onnxruntime-node';
const VERSION = DEPENDENCIES[NAME]?.replace(/^\^/, '') ?? '';

/** What to type where it cannot be fetched. */
export const INSTALL_COMMAND = `ONNXRUNTIME_NODE_INSTALL=skip npm install ${NAME}@${VERSION}`;

function cacheFolder(): string {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  return join(cache, 'tributary-rl', `${NAME}-${VERSION}`);
}

/** Returns what resolves its modules: this package, or the cache; undefined where neither has them. */
function findRequire(): NodeJS.Require | undefined {
  return [import.meta.url, join(cacheFolder(), 'package.json')].map(createRequire).find((require) => {
    try {
      return require.resolve(NAME) !== '';
    } catch {
      return false;
    }
  });
}

function requireRuntime(): NodeJS.Require {
  const found = findRequire();
  if (found) return found;
  throw new TributaryError(
    'TRIB_PROVIDER',
    `${NAME}: expected it to be installed, got nothing. Run: ${INSTALL_COMMAND}`,
  );
}

/** Whether it is in the cache, and so in nobody's `node_modules`. */
export const isRuntimeFetched = () => resolveRuntime().startsWith(cacheFolder());

/** Whether it is there. */
export const hasRuntime = () => findRequire() !== undefined;

/** Loads it. Errors: TRIB_PROVIDER where it is not there. */
export const loadRuntime = () => requireRuntime()(NAME) as typeof OnnxRuntime;

/** The path of a module of it. Errors: TRIB_PROVIDER where it is not there. */
export const resolveRuntime = (module = NAME) => requireRuntime().resolve(module);

let fetching: Promise<void> | undefined;

/**
 * Has npm fetch it where it is not there, once for all callers of this process.
 *
 * Errors: TRIB_PROVIDER, naming the line that installs it.
 *
 * @param warn takes what is done, as it takes a while.
 */
export async function ensureRuntime(warn: (message: string) => void = () => {}): Promise<void> {
  if (hasRuntime()) return;
  if (!fetching) {
    warn(`${NAME} is not installed; npm fetches version ${VERSION} to ${cacheFolder()}, once (about 100 MB)`);
    fetching = fetchRuntime().finally(() => {
      fetching = undefined;
    });
  }
  await fetching;
}

async function fetchRuntime(): Promise<void> {
  const folder = cacheFolder();
  try {
    await mkdir(dirname(folder), { recursive: true });
    const aside = await mkdtemp(`${folder}-`);
    try {
      const quiet = ['--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error'];
      const words = ['install', '--prefix', aside, '--ignore-scripts', ...quiet, `${NAME}@${VERSION}`];
      // On Windows, npm is a script of the shell.
      await promisify(execFile)('npm', words, { shell: process.platform === 'win32' });
      await rename(aside, folder);
    } finally {
      await rm(aside, { recursive: true, force: true });
    }
  } catch (cause) {
    // Another process may have been faster.
    if (hasRuntime()) return;
    const { stderr, message } = cause as Error & { readonly stderr?: string };
    const reason = (stderr || message).trim().split('\n').slice(0, 3).join('; ');
    throw new TributaryError(
      'TRIB_PROVIDER',
      `${NAME}: expected it to be installed, or fetched by npm, got "${reason}". Run: ${INSTALL_COMMAND}`,
      { cause },
    );
  }
}
