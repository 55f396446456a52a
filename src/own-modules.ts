import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { TributaryError } from './errors.js';
import {
  loadedEntry,
  OWN_KINDS,
  type OwnEntry,
  type OwnKind,
  type OwnSettings,
  quoteThrown,
  rememberOwnEntry,
} from './own-entries.js';

/** What is wrong with a module, as a phrase each. */
export interface ModuleProblem {
  readonly expected: string;
  readonly got: string;
}

/** Loads a module, unless this thread has; returns what is wrong with it, or null. */
export async function loadOwnEntry(kind: OwnKind, path: string): Promise<ModuleProblem | null> {
  const known = loadedEntry(path)?.entry ?? (await load(path));
  if ('got' in known) return known;
  const expected = `a module that exports by default what ${OWN_KINDS[kind]} returns`;
  return known.kind === kind ? null : { expected, got: `what ${OWN_KINDS[known.kind]} returns` };
}

/**
 * Loads the module of an entry in the thread that uses it.
 *
 * Errors: TRIB_FILE if it does not load or exports something else, which lint would have found where the config was read.
 */
export async function requireOwnEntry(kind: OwnKind, { module }: OwnSettings): Promise<void> {
  const problem = await loadOwnEntry(kind, module);
  if (!problem) return;
  const { expected, got } = problem;
  throw new TributaryError(
    'TRIB_FILE',
    `${kind} ${module}: expected ${expected}, got ${got}. Correct the module, see docs/own-modules.md.`,
  );
}

/** A module that has been imported. */
interface ImportedModule {
  readonly exported: { readonly default?: unknown };
  /** Of its file, in hex. */
  readonly sha256: string;
}

/** A module whose `await` waits for nothing would else be waited for without an end, or a word. */
const LOADS_WITHIN_SECONDS = 60;

/**
 * Imports a user's module, whatever it exports; returns what is wrong where it does not load.
 *
 * @param withinSeconds how long that may take.
 */
export async function importModule(
  path: string,
  withinSeconds = LOADS_WITHIN_SECONDS,
): Promise<ImportedModule | ModuleProblem> {
  const place = resolve(path);
  const loaded = new AbortController();
  const tooLate = setTimeout(1000 * withinSeconds, null, { signal: loaded.signal });
  try {
    const bytes = await readFile(place);
    const exported = await Promise.race([import(pathToFileURL(place).href), tooLate]);
    if (exported === null)
      return {
        expected: `a module that loads within ${withinSeconds} seconds`,
        got: 'one in which an `await` still waits',
      };
    return { exported, sha256: createHash('sha256').update(bytes).digest('hex') };
  } catch (cause) {
    const { code, path: missing } = (cause ?? {}) as NodeJS.ErrnoException;
    const isMissing = code === 'ENOENT' && missing === place;
    return { expected: 'a module that loads', got: isMissing ? 'no file there' : quoteThrown(cause) };
  } finally {
    tooLate.catch(() => undefined);
    loaded.abort();
  }
}

async function load(path: string): Promise<OwnEntry | ModuleProblem> {
  const imported = await importModule(path);
  if ('got' in imported) return imported;
  const { exported, sha256 } = imported;
  const entry = exported.default as Partial<OwnEntry> | undefined;
  const isEntry =
    typeof entry === 'object' &&
    entry !== null &&
    typeof entry.create === 'function' &&
    entry.kind !== undefined;
  if (!isEntry || !Object.hasOwn(OWN_KINDS, entry.kind ?? '')) {
    const names = Object.keys(exported).join(', ') || 'nothing';
    const definers = Object.values(OWN_KINDS).join(', ');
    return {
      expected: `a module that exports by default what one of ${definers} returns`,
      got: `one that exports ${names}`,
    };
  }
  rememberOwnEntry(path, { entry: entry as OwnEntry, sha256 });
  return entry as OwnEntry;
}
