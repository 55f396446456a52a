/** @file Chooses the files of a model on the hub that a pipeline folder needs. */

import { TributaryError } from '../../errors.js';
import { CONVERT, PICKLE, type Variant, weightFiles } from '../networks/component-weights.js';
import { DENOISER_FAMILIES, UNET } from '../networks/denoiser-family.js';
import { graphFileNames } from '../pipeline/component-file.js';
import type { HubFile } from './hub-client.js';

/** Files that are never external data of a graph: other forms of the same weights, and text. */
const OTHER_FORM = /\.(onnx|onnx_data|onnx\.data|safetensors|msgpack|h5|xml|tflite|md|json)$/;
const CONFIGS: readonly RegExp[] = [
  /^model_index\.json$/,
  /^scheduler\/[^/]+\.json$/,
  /^tokenizer(_[23])?\/[^/]+\.(json|txt)$/,
];

/** Whether a file is a config or belongs to a tokenizer: small, and checked before the weights are fetched. */
export const isConfig = ({ path }: HubFile) => /\.(json|txt)$/.test(path);

type Files = ReadonlyMap<string, HubFile>;

/**
 * Chooses the files of a pipeline folder: configs, tokenizers, and for each network one form of its weights, safetensors in
 * preference to ONNX. Of safetensors, it takes full precision, or `variant` if that is given and published. Like the loader, it
 * also takes the variant if there is nothing else.
 *
 * Errors: TRIB_MODEL, with everything that is missing, and the pickles found instead.
 */
export function pipelineFiles(
  id: string,
  all: readonly HubFile[],
  { variant }: { readonly variant: Variant | null },
): readonly HubFile[] {
  const files: Files = new Map(all.map((file) => [file.path, file]));
  if (!files.has('model_index.json')) throw noPipelineFault(id, all);
  const network = (name: string, base: string) =>
    weightsOf(files, name, base, variant) ?? graphOf(files, name);
  const has = (folder: string) =>
    all.some(({ path }) => path.startsWith(`${folder}/`) || path === `${folder}.onnx`);

  const wanted: [name: string, found: readonly HubFile[] | null][] = [
    ['scheduler/scheduler_config.json', single(files, 'scheduler/scheduler_config.json')],
    ['tokenizer', has('tokenizer') ? [] : null],
    ['text_encoder', network('text_encoder', 'model')],
  ];
  for (const suffix of ['_2', '_3'].filter((one) => has(`text_encoder${one}`))) {
    wanted.push([`tokenizer${suffix}`, has(`tokenizer${suffix}`) ? [] : null]);
    wanted.push([`text_encoder${suffix}`, network(`text_encoder${suffix}`, 'model')]);
  }
  const { component } = DENOISER_FAMILIES.find((family) => has(family.component)) ?? UNET;
  wanted.push([component, network(component, 'diffusion_pytorch_model')]);
  // A model without either works on pixels.
  if (has('vae') || has('vae_decoder')) {
    const decoder =
      weightsOf(files, 'vae', 'diffusion_pytorch_model', variant) ?? graphOf(files, 'vae_decoder');
    wanted.push(['vae', decoder]);
  }

  const missing = wanted.filter(([, found]) => found === null).map(([name]) => name);
  if (missing.length > 0) throw missingFault(id, all, missing);
  const configs = all.filter(({ path }) => CONFIGS.some((pattern) => pattern.test(path)));
  return [...new Set([...configs, ...wanted.flatMap(([, found]) => found ?? [])])];
}

/** The safetensors of a network and its config; null if there are none. */
function weightsOf(files: Files, name: string, base: string, variant: Variant | null): HubFile[] | null {
  const all = weightFiles(base);
  const preferred = all.filter((one) => one.variant === variant && variant !== null);
  for (const { variant: suffix, file, indexes } of [...preferred, ...all]) {
    const whole = files.get(`${name}/${file}`);
    if (whole) return [...configOf(files, name), whole];
    const list = indexes.map((index) => files.get(`${name}/${index}`)).find((index) => index !== undefined);
    if (!list) continue;
    // Both positions of the variant's name are in use.
    const shard =
      suffix === null
        ? new RegExp(`^${name}/${base}-\\d+-of-\\d+\\.safetensors$`)
        : new RegExp(`^${name}/${base}(\\.${suffix}-\\d+-of-\\d+|-\\d+-of-\\d+\\.${suffix})\\.safetensors$`);
    return [...configOf(files, name), list, ...[...files.values()].filter(({ path }) => shard.test(path))];
  }
  return null;
}

/** The ONNX graph of a network with its config and external data; null if there is none. */
function graphOf(files: Files, name: string): HubFile[] | null {
  const graph = graphFileNames(name)
    .map((path) => files.get(path))
    .find((file) => file !== undefined);
  if (graph === undefined) return null;
  const isData = ({ path }: HubFile) => {
    if (path === `${graph.path}_data` || path === `${graph.path}.data`) return true;
    // Exporters also write `weights.pb`, or one file per tensor: take every other file in the folder.
    return path.startsWith(`${name}/`) && !OTHER_FORM.test(path) && !PICKLE.test(path);
  };
  return [...configOf(files, name), graph, ...[...files.values()].filter(isData)];
}

const configOf = (files: Files, name: string) => single(files, `${name}/config.json`) ?? [];

function single(files: Files, path: string): HubFile[] | null {
  const file = files.get(path);
  return file ? [file] : null;
}

function noPipelineFault(id: string, all: readonly HubFile[]): TributaryError {
  const names = all.slice(0, 5).map(({ path }) => path);
  const got = names.length === 0 ? 'no files' : `${names.join(', ')}${all.length > 5 ? ' and more' : ''}`;
  const nextStep = 'Name the same model in the form of diffusers, or fetch what is there with --all.';
  const text = `${id}: expected a pipeline folder with model_index.json, got ${got}. ${nextStep}`;
  return new TributaryError('TRIB_MODEL', text);
}

function missingFault(id: string, all: readonly HubFile[], missing: readonly string[]): TributaryError {
  const pickles = missing.flatMap((name) => {
    const pickle = all.find(({ path }) => path.startsWith(`${name}/`) && PICKLE.test(path));
    return pickle ? [pickle.path] : [];
  });
  const expected = `${id}: expected safetensors or ONNX of ${missing.join(', ')}`;
  if (pickles.length > 0) {
    const why = `only pickles (${pickles.join(', ')}), which can run any code when they are loaded and are never read here`;
    const text = `${expected}, got ${why}. ${CONVERT} Or look for safetensors in another --revision.`;
    return new TributaryError('TRIB_MODEL', text);
  }
  const kinds = DENOISER_FAMILIES.map(({ title, models }) => `a ${title} (${models})`).join(' or ');
  const nextStep = `Only pipelines with ${kinds} are loaded; look at the revisions too, such as --revision onnx.`;
  const text = `${id}: expected ${missing.join(', ')}, got no such files. ${nextStep}`;
  return new TributaryError('TRIB_MODEL', text);
}
