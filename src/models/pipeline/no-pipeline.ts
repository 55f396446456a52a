/** @file What a path is that is no pipeline folder, where it is something that people take for one. */

import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { TributaryError } from '../../errors.js';
import { JOIN } from '../checkpoint/checkpoint-families.js';
import { absence, type StandIn, unfinishedAmong } from '../files/stand-in.js';

const INDEX = 'model_index.json';
const ONE_FILE = /\.(safetensors|ckpt)$/;
/** `<owner>/<name>` of the hub at the end of a path. */
const HUB_ID = /(?:^|[\\/])([\w-][\w.-]*)[\\/]([\w-][\w.-]*)$/;

/**
 * Returns the fault of a path that is no pipeline folder, and names what it is; null where nothing can be said beyond what is
 * missing.
 */
export async function noPipelineFault(path: string): Promise<TributaryError | null> {
  const found = await whatIsThere(path);
  if (!found) return null;
  const wanted = ONE_FILE.test(path) ? 'a checkpoint in one file' : `a pipeline folder with ${INDEX}`;
  return new TributaryError('TRIB_MODEL', `${path}: expected ${wanted}, got ${found.got}. ${found.nextStep}`);
}

/** Errors: TRIB_MODEL if something else is there that people take for a pipeline folder. */
export async function requireNoOther(path: string): Promise<void> {
  const fault = await noPipelineFault(path);
  if (fault) throw fault;
}

async function whatIsThere(path: string): Promise<StandIn | null> {
  const stats = await stat(path).catch(() => null);
  if (stats === null) return (await absence(path)) ?? hubId(path);
  if (!stats.isDirectory()) return shardIndex(path) ?? commitFile(path);
  const names = await readdir(path).catch((): string[] => []);
  if (names.includes(INDEX)) return null;
  return (
    (await absence(join(path, INDEX))) ??
    (await hubCache(path, names)) ??
    (await component(path, names)) ??
    checkpoints(names) ??
    unfinishedAmong(names)
  );
}

/** A name of the hub: nothing lies there, nor is there a folder of its owner. */
async function hubId(path: string): Promise<StandIn | null> {
  if (ONE_FILE.test(path)) return null;
  const [, owner, name] = HUB_ID.exec(path) ?? [];
  if (!owner || !name || owner === 'models' || (await stat(dirname(path)).catch(() => null))) return null;
  return {
    got: 'no such folder',
    nextStep: `If it is a model of the hub, run npx tributary fetch ${owner}/${name} and name models/${name}.`,
  };
}

/** The cache of the hub: `models--<owner>--<name>` with `refs/main`, which names one of the `snapshots`. */
async function hubCache(path: string, names: readonly string[]): Promise<StandIn | null> {
  const top = [path, dirname(path)].find((folder) => basename(folder).startsWith('models--'));
  if (!top) {
    const models = names.filter((name) => name.startsWith('models--'));
    if (models.length === 0) return null;
    return {
      got: `a cache of the hub with ${models.length} models`,
      nextStep: `Name one, such as ${join(path, models[0] ?? '', 'snapshots', '<commit>')}.`,
    };
  }
  return snapshotOf(top, basename(path) === 'snapshots' ? 'the snapshots of the hub' : 'a cache of the hub');
}

async function snapshotOf(top: string, got: string): Promise<StandIn> {
  const main = await readFile(join(top, 'refs/main'), 'utf8').catch(() => '');
  const snapshots = await readdir(join(top, 'snapshots')).catch((): string[] => []);
  const chosen = snapshots.includes(main.trim()) ? main.trim() : snapshots[0];
  if (chosen) return { got, nextStep: `Name the folder of a commit: ${join(top, 'snapshots', chosen)}.` };
  const [, owner = '<owner>', name = '<name>'] = basename(top).split('--');
  return {
    got: `${got} without a snapshot`,
    nextStep: `Run hf download ${owner}/${name}, or npx tributary fetch ${owner}/${name}.`,
  };
}

/** `refs/main` of a cache in place of the snapshot that it names. */
async function commitFile(path: string): Promise<StandIn | null> {
  const top = dirname(dirname(path));
  if (basename(dirname(path)) !== 'refs' || !basename(top).startsWith('models--')) return null;
  return snapshotOf(top, "a file with a commit's name");
}

/** The index of a checkpoint that lies in several files. */
function shardIndex(path: string): StandIn | null {
  return path.endsWith('.safetensors.index.json') ? { got: 'an index of shards', nextStep: JOIN } : null;
}

/** A part of a pipeline, or a folder above it. */
async function component(path: string, names: readonly string[]): Promise<StandIn | null> {
  if (await stat(join(dirname(path), INDEX)).catch(() => null)) {
    return { got: `its part "${basename(path)}"`, nextStep: `Name the folder above: ${dirname(path)}.` };
  }
  for (const name of names) {
    if (!(await stat(join(path, name, INDEX)).catch(() => null))) continue;
    return { got: `a folder with "${name}" in it`, nextStep: `Name that one: ${join(path, name)}.` };
  }
  if (!names.some((name) => /^(adapter_model|pytorch_lora_weights)\.safetensors$/.test(name))) return null;
  return {
    got: 'an adapter',
    nextStep: 'Name the folder of its base, and the adapter with --lora or model.startFrom.',
  };
}

function checkpoints(names: readonly string[]): StandIn | null {
  const files = names.filter((name) => ONE_FILE.test(name));
  if (files.length === 0) return null;
  return {
    got: `${files.slice(0, 3).join(', ')}${files.length > 3 ? ' and more' : ''}`,
    nextStep:
      'Name the file itself if it is a whole checkpoint, or save the model with diffusers (save_pretrained).',
  };
}
