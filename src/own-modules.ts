import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
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

/** Imports a user's module, whatever it exports; returns what is wrong where it does not load. */
export async function importModule(path: string): Promise<ImportedModule | ModuleProblem> {
  const place = resolve(path);
  try {
    const bytes = await readFile(place);
    const exported = await import(pathToFileURL(place).href);
    return { exported, sha256: createHash('sha256').update(bytes).digest('hex') };
  } catch (cause) {
    const { code, path: missing } = (cause ?? {}) as NodeJS.ErrnoException;
    const isMissing = code === 'ENOENT' && missing === place;
    return { expected: 'a module that loads', got: isMissing ? 'no file there' : quoteThrown(cause) };
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
