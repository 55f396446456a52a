/** @file Which tokens a tokenizer's files add to its vocabulary, and which of them pad, begin and end a text. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import type { AddedToken } from './added-tokens.js';
import { MAX_TOKEN_ID, readJson } from './tokenizer-files.js';

/** Longest text of a token: one regular expression looks for all of them. */
const LONGEST_TOKEN = 1_000;
const tokenText = z.string().max(LONGEST_TOKEN, `expected at most ${LONGEST_TOKEN} characters`);
const flag = z.boolean().optional();
const flaggedToken = z.looseObject({
  content: tokenText,
  single_word: flag,
  lstrip: flag,
  rstrip: flag,
  normalized: flag,
  special: flag,
});
const anyToken = z.union([tokenText, flaggedToken]);
const tokenId = z.int().min(0).max(MAX_TOKEN_ID);
const tokensById = z.record(z.string().regex(/^\d+$/), flaggedToken);
const extras = {
  additional_special_tokens: z.array(anyToken).nullish(),
  // A table gives them names, which nothing here needs.
  extra_special_tokens: z
    .union([z.array(anyToken), z.record(z.string(), anyToken).transform(Object.values)])
    .nullish(),
};
const ORDER = ['bos', 'eos', 'unk', 'sep', 'pad', 'cls', 'mask'].map((name) => `${name}_token`);
const standard = Object.fromEntries(ORDER.map((key) => [key, anyToken.nullish()]));
// Whatever its name, a key "<name>_token" holds a special token.
const named = z
  .looseObject({ ...standard, ...extras })
  .transform(({ additional_special_tokens, extra_special_tokens, ...others }) => ({
    named: Object.entries(others).flatMap(([key, value]) => {
      const token = key.endsWith('_token') ? anyToken.nullable().safeParse(value) : undefined;
      return token?.success ? [[key, token.data] as const] : [];
    }),
    additional: additional_special_tokens ?? [],
    extra: extra_special_tokens ?? [],
  }));
const configSchema = z.looseObject({ added_tokens_decoder: tokensById.optional() });
const addedSchema = z.record(tokenText, tokenId);
const fastSchema = z.looseObject({
  added_tokens: z.array(flaggedToken.extend({ id: tokenId })).default([]),
});

type Flagged = z.infer<typeof anyToken>;

/** A token as the files have it. Without an id in any file it gets that of its text, or the next free one. */
export interface DeclaredToken extends Omit<AddedToken, 'id'> {
  readonly declared: { readonly id: number; readonly path: string } | null;
}

export interface SpecialTokens {
  /** By key, such as `pad_token`; null where the files say there is none. */
  readonly named: ReadonlyMap<string, string | null>;
  /** In the order in which they are added. */
  readonly tokens: readonly DeclaredToken[];
}

/**
 * Reads `tokenizer_config.json` and the files beside it, with the precedence of `from_pretrained` in transformers (4.57.3 and
 * 5.24.0). If `tokenizer_config.json` has `added_tokens_decoder`, even an empty one, that file alone counts. Otherwise
 * `special_tokens_map.json` takes precedence over it, and tokens are added from `added_tokens.json` and then from
 * `tokenizer.json`, which wins where both use an id. A named token takes its flags from an added one of the same text.
 * `defaults` fill in for keys that are in no file.
 *
 * Errors: TRIB_FILE if a file cannot be read; TRIB_MODEL if its content is not as described above.
 */
export function readSpecialTokens(
  folder: string,
  defaults: Readonly<Record<string, string>> = {},
): SpecialTokens {
  const configPath = join(folder, 'tokenizer_config.json');
  const decoder = readIfThere(configPath, configSchema)?.added_tokens_decoder;
  const config = readIfThere(configPath, named) ?? { named: [], additional: [], extra: [] };
  const overrides = decoder ? null : readIfThere(join(folder, 'special_tokens_map.json'), named);
  const byKey = new Map<string, Flagged | null>([
    ...Object.entries(defaults),
    ...config.named,
    ...(overrides?.named ?? []),
  ]);
  const keys = new Set<string>([...ORDER, ...byKey.keys()]);
  const special = [...keys].flatMap((key) => byKey.get(key) ?? []);
  const listed = [
    ...(config.extra.length > 0 ? config.extra : config.additional),
    ...(overrides?.extra ?? []),
  ];
  special.push(...(listed.length > 0 ? listed : (overrides?.additional ?? [])));
  const contents = new Set(special.map(textOf));
  const added = decoder
    ? new Map(Object.entries(decoder).map(([id, token]) => [Number(id), { token, path: configPath }]))
    : addedElsewhere(folder);
  const tokens = new Map<string, DeclaredToken>();
  for (const [id, { token, path }] of [...added].sort(([a], [b]) => a - b)) {
    const isSpecial = contents.has(textOf(token)) || (typeof token === 'object' && token.special === true);
    tokens.set(textOf(token), { ...flagsOf(token, isSpecial), declared: { id, path } });
  }
  const fromFiles = new Set(tokens.keys());
  // Of two tokens with one text the last counts, as in `tokenizers`.
  for (const token of special)
    if (!fromFiles.has(textOf(token))) tokens.set(textOf(token), { ...flagsOf(token, true), declared: null });
  tokens.delete('');
  return {
    named: new Map([...byKey].map(([key, token]) => [key, token === null ? null : textOf(token)])),
    tokens: [...tokens.values()],
  };
}

function addedElsewhere(folder: string) {
  const tokens = new Map<number, { token: Flagged | { content: string; special: false }; path: string }>();
  const addedPath = join(folder, 'added_tokens.json');
  for (const [content, id] of Object.entries(readIfThere(addedPath, addedSchema) ?? {}))
    tokens.set(id, { token: { content, special: false }, path: addedPath });
  const fastPath = join(folder, 'tokenizer.json');
  for (const token of readIfThere(fastPath, fastSchema)?.added_tokens ?? [])
    tokens.set(token.id, { token, path: fastPath });
  return tokens;
}

const readIfThere = <Schema extends z.ZodType>(path: string, schema: Schema): z.infer<Schema> | null =>
  existsSync(path) ? readJson(path, schema) : null;

const textOf = (token: Flagged): string => (typeof token === 'string' ? token : token.content);

/** Special tokens are not normalized unless their flags say so; others are. */
function flagsOf(token: Flagged, isSpecial: boolean) {
  const flags: Partial<z.infer<typeof flaggedToken>> = typeof token === 'string' ? {} : token;
  return {
    content: textOf(token),
    singleWord: flags.single_word ?? false,
    lstrip: flags.lstrip ?? false,
    rstrip: flags.rstrip ?? false,
    normalized: flags.normalized ?? !isSpecial,
  };
}
