/** @file The names of a text encoder's tensors in one-file checkpoints: those of transformers, or of OpenCLIP. */
import type { TensorView, TensorViews } from '../networks/component-weights.js';

/** Tensors that are no weights of the text encoder. */
const NO_WEIGHTS = /position_ids$|^logit_scale$|^attn_mask$|^text_model\.embeddings\.position_ids$/;
/** Names from before the models of text and pictures were one, as in files that other programs saved. */
const WITHOUT_PREFIX = /^(?=(?:embeddings|encoder|final_layer_norm)\.)/;

/** Returns tensors under transformers' names, with `text_model.` in front. */
export function clipViews(tensors: TensorViews): TensorViews {
  return new Map(
    [...tensors]
      .filter(([name]) => !NO_WEIGHTS.test(name))
      .map(([name, view]) => [name.replace(WITHOUT_PREFIX, 'text_model.'), view]),
  );
}

const OPEN_CLIP: readonly (readonly [RegExp, string])[] = [
  [/^positional_embedding$/, 'text_model.embeddings.position_embedding.weight'],
  [/^token_embedding\./, 'text_model.embeddings.token_embedding.'],
  [/^ln_final\./, 'text_model.final_layer_norm.'],
  [/^transformer\.resblocks\.(\d+)\./, 'text_model.encoder.layers.$1.'],
  [/\.ln_1\./, '.layer_norm1.'],
  [/\.ln_2\./, '.layer_norm2.'],
  [/\.mlp\.c_fc\./, '.mlp.fc1.'],
  [/\.mlp\.c_proj\./, '.mlp.fc2.'],
  [/\.attn\.out_proj\./, '.self_attn.out_proj.'],
];
/** Query, key and value in one. */
const JOINED = /^transformer\.resblocks\.(\d+)\.attn\.in_proj_(weight|bias)$/;
const PARTS = ['q_proj', 'k_proj', 'v_proj'];

/** Returns OpenCLIP's tensors under transformers' names: query, key and value apart, the projection the other way round. */
export function openClipViews(tensors: TensorViews): TensorViews {
  const views = new Map<string, TensorView>();
  for (const [name, view] of tensors) {
    const [, layer, kind] = JOINED.exec(name) ?? [];
    if (NO_WEIGHTS.test(name)) continue;
    if (name === 'text_projection') {
      const shape = view.shape.toReversed();
      views.set('text_projection.weight', { ...view, shape, isTransposed: true });
    } else if (layer === undefined) {
      views.set(
        OPEN_CLIP.reduce((text, [from, to]) => text.replace(from, to), name),
        view,
      );
    } else {
      for (const [index, part] of PARTS.entries())
        views.set(`text_model.encoder.layers.${layer}.self_attn.${part}.${kind}`, thirdOf(view, index));
    }
  }
  return views;
}

/** One of three equal parts of the rows. */
function thirdOf(view: TensorView, index: number): TensorView {
  const [rows = 0, ...others] = view.shape;
  const bytes = (view.end - view.start) / 3;
  const start = view.start + index * bytes;
  return { ...view, shape: [rows / 3, ...others], start, end: start + bytes };
}
