/** @file What this package is and what it brings: its version, its presets, its models. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';

const FOLDER = fileURLToPath(new URL('..', import.meta.url));

const versions = z.record(z.string(), z.string()).default({});
const packageSchema = z.looseObject({
  version: z.string(),
  dependencies: versions,
  optionalDependencies: versions,
});

function readPackage(path: string) {
  return packageSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
}

const own = readPackage(join(FOLDER, 'package.json'));

/** The version of Tributary. */
export const VERSION = own.version;

/** What Tributary depends on: the versions that it takes. */
export const DEPENDENCIES: Readonly<Record<string, string>> = {
  ...own.dependencies,
  ...own.optionalDependencies,
};

/** The installed versions of what Tributary depends on; null where a package is not there. */
export function dependencyVersions(): Record<string, string | null> {
  return Object.fromEntries(Object.keys(DEPENDENCIES).map((name) => [name, installedVersion(name)]));
}

function installedVersion(name: string): string | null {
  // Packages need not export their package.json, so it is looked for where Node would look for the package.
  for (const folder of createRequire(import.meta.url).resolve.paths(name) ?? []) {
    try {
      return readPackage(join(folder, name, 'package.json')).version;
    } catch {
      // Not in this folder; the next one is further up.
    }
  }
  return null;
}

/** How a config names what the package brings: `tributary:shapes`. */
const SCHEME = 'tributary:';
/** Where the names lead: a model first, then what lies beside the presets, such as prompts. */
const PLACES = ['models', 'config'];

export const isPackageName = (word: string) => word.startsWith(SCHEME);

/** The path of a model or prompt file of the package, `tributary:shapes/prompts/train.txt`; null where there is none. */
export function packageFile(name: string): string | null {
  return PLACES.map((place) => fileIn(place, name, '')).find((path) => path !== null) ?? null;
}

/** The path of a preset of the package, `tributary:demo` or `tributary:algorithms/grpo`; null where there is none. */
export function presetFile(name: string): string | null {
  return fileIn('config', name, name.endsWith('.yaml') ? '' : '.yaml');
}

function fileIn(place: string, name: string, ending: string): string | null {
  const inside = name.slice(SCHEME.length);
  const path = join(FOLDER, place, inside + ending);
  const isInside = inside !== '' && path.startsWith(join(FOLDER, place) + sep);
  return isInside && existsSync(path) ? path : null;
}

/** A path as a config would name it: `tributary:shapes` for what the package brings, else the path itself. */
export function writtenPath(path: string): string {
  const place = PLACES.map((name) => join(FOLDER, name) + sep).find((start) => path.startsWith(start));
  return place === undefined ? path : SCHEME + path.slice(place.length).replaceAll(sep, '/');
}

const presetText = (path: string) => readFileSync(join(FOLDER, 'config', path), 'utf8');

/** Whether a file beside the presets is one: settings of a pretraining and studies have other sections. */
const isTopology = (path: string) => /^(stages|extends):/m.test(presetText(path));

/** The first sentence of the comment that a preset begins with. */
export function presetSummary(name: string): string {
  const preset = name.slice(SCHEME.length);
  const lines = presetText(`${preset}.yaml`)
    .split('\n')
    .filter((line) => !line.startsWith('# yaml-language-server'));
  const comment = lines.slice(
    0,
    lines.findIndex((line) => !line.startsWith('#')),
  );
  const words =
    comment
      .map((line) => line.slice(2))
      .join('\n')
      .trim()
      .split('\n\n')[0] ?? '';
  const [sentence = ''] = words.replaceAll('\n', ' ').split(/(?<!\bal)\. |\.$/);
  const title = `${basename(preset)}: `;
  return sentence.startsWith(title) ? sentence.slice(title.length) : sentence;
}

/** What lies beside the models and is none: a vocabulary that many have in common. */
const NO_MODELS: ReadonlySet<string> = new Set(['clip']);

/** The names of the presets, and of the models. */
export function packageNames(): { readonly presets: readonly string[]; readonly models: readonly string[] } {
  const presetsIn = (folder: string) =>
    readdirSync(join(FOLDER, 'config', folder))
      .filter((file) => file.endsWith('.yaml') && isTopology(join(folder, file)))
      .map((file) => `${SCHEME}${folder}${file.slice(0, -'.yaml'.length)}`);
  const models = readdirSync(join(FOLDER, 'models')).filter((name) => !NO_MODELS.has(name));
  return {
    presets: ['', 'algorithms/'].flatMap(presetsIn),
    models: models.map((model) => `${SCHEME}${model}`),
  };
}

/** The place of a file within the package, such as `models/shapes`; null where it lies elsewhere. */
export function placeInPackage(path: string): string | null {
  const place = relative(FOLDER, resolve(path)).split(sep).join('/');
  return PLACES.some((one) => place.startsWith(`${one}/`)) ? place : null;
}

/** The name of a file of the package; null where it lies elsewhere. */
export function packageNameOf(path: string): string | null {
  const place = placeInPackage(path);
  return place === null ? null : place.replace(/^[^/]+\//, SCHEME);
}
