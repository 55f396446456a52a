/**
 * @file Rules, surrogates and the like that a user's JavaScript module exports, and a config names by the module's path.
 * `loadOwnEntry` (own-modules.ts) loads a module once in each thread that needs it; from then on its entry is found here.
 */

import * as z from 'zod';
import { TributaryError } from './errors.js';
import { filePath, matching, section } from './fields.js';

type Shape = z.core.$ZodLooseShape;

/** What a module may export, and the function that defines it. */
export const OWN_KINDS = {
  reward: 'defineReward',
  surrogate: 'defineSurrogate',
  'advantage rule': 'defineAdvantageRule',
  guard: 'defineGuard',
  'fork plan': 'defineForkPlan',
  schedule: 'defineSchedule',
  'serving rule': 'defineServingRule',
} as const;

export type OwnKind = keyof typeof OWN_KINDS;

/** What a module exports: an entry of its kind, of which only this is sure. */
export interface OwnEntry {
  readonly kind: OwnKind;
  readonly fields: Shape;
  readonly create: (options: never) => unknown;
}

export interface LoadedEntry {
  readonly entry: OwnEntry;
  /** Of the module's file, in hex. */
  readonly sha256: string;
}

/** How a config names an entry. */
export interface OwnSettings {
  readonly module: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly sha256?: string | undefined;
}

const loaded = new Map<string, LoadedEntry>();

export const rememberOwnEntry = (path: string, entry: LoadedEntry): void => void loaded.set(path, entry);

/** The entry of a module; undefined if this thread has not loaded it. */
export const loadedEntry = (path: string): LoadedEntry | undefined => loaded.get(path);

/**
 * Creates what a module's entry describes.
 *
 * Errors: TRIB_INTERNAL if the module is not loaded, or exports another kind; TRIB_CONFIG if it throws.
 */
export function createOwn(kind: OwnKind, { module, options }: OwnSettings): unknown {
  const entry = loaded.get(module)?.entry;
  if (entry?.kind !== kind) {
    throw new TributaryError(
      'TRIB_INTERNAL',
      `${kind} ${module}: expected its module to be loaded, got ${entry?.kind ?? 'nothing'}. Lint the config.`,
    );
  }
  return calling(kind, module, 'create', () => entry.create(options as never));
}

/** Calls a function of a module. Errors: TRIB_CONFIG, naming the module and what it threw. */
export function calling<Result>(kind: OwnKind, module: string, name: string, call: () => Result): Result {
  try {
    return call();
  } catch (cause) {
    throw ownFault(kind, module, `${name} to return`, quoteThrown(cause), cause);
  }
}

/** Writes what a module threw. */
export function quoteThrown(cause: unknown): string {
  const thrown = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
  return JSON.stringify(thrown.slice(0, 300));
}

/** A fault of what a module made, or of what that did. */
export class OwnFault extends TributaryError {
  constructor(
    kind: OwnKind,
    module: string,
    readonly expected: string,
    readonly got: string,
    cause?: unknown,
  ) {
    const text = `${kind} ${module}: expected ${expected}, got ${got}. Correct the module, see docs/own-modules.md.`;
    super('TRIB_CONFIG', text, { cause });
  }
}

export const ownFault = (...args: ConstructorParameters<typeof OwnFault>): OwnFault => new OwnFault(...args);

/** The fields by which a config names an entry. */
export const ownFields = {
  module: filePath('the path of a JavaScript module', 'file').describe(
    'Your module, an .mjs or .js file (docs/own-modules.md). It runs with all privileges of this program.',
  ),
  options: z
    .record(z.string(), z.unknown(), { error: 'a mapping' })
    .default({})
    .describe('Settings of the module, checked by the fields that it declares.'),
  sha256: matching('a SHA-256 in hex', /^[0-9a-f]{64}$/)
    .optional()
    .describe(
      "SHA-256 of the module's file. Filled in by itself, so that a resumed run and all processes of a run use the same file; write it to accept that file alone.",
    ),
};

/** Adds to a mapping that names a module: once the module is loaded, its options have defaults, and its checksum is known. */
export function withOwnOptions<Schema extends z.ZodObject>(schema: Schema): Schema {
  return schema.check((payload) => {
    const value = payload.value as OwnSettings;
    const found = loaded.get(value.module);
    if (!found) return;
    const parsed = section(found.entry.fields).safeParse(value.options);
    for (const issue of parsed.error?.issues ?? [])
      payload.issues.push({ ...issue, path: ['options', ...issue.path] } as z.core.$ZodRawIssue);
    if (!parsed.success) return;
    payload.value = {
      ...value,
      options: parsed.data,
      sha256: value.sha256 ?? found.sha256,
    } as z.output<Schema>;
  });
}
