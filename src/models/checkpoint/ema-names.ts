/**
 * @file The averaged weights that training with LDM leaves in a file: `model_ema.` and a name without its dots
 * (`LitEma` in ldm/modules/ema.py).
 */

/** The words of a UNet's names; of two that begin alike the longer comes first. */
const WORDS =
  /input_blocks|output_blocks|middle_block|time_embed|label_emb|in_layers|out_layers|emb_layers|skip_connection|transformer_blocks|attn[12]|to_q|to_k|to_v|to_out|ff|net|proj_in|proj_out|proj|norm[123]?|conv|op|out|weight|bias|\d+/y;
/** Modules whose number is followed by another one of a single digit. */
const TWO_NUMBERS = /^(input_blocks|output_blocks|label_emb)$/;

/** Returns `input_blocks.4.1.norm.weight` for `input_blocks41normweight`; null where it is no such name. */
export function withDots(flat: string): string | null {
  const parts: string[] = [];
  WORDS.lastIndex = 0;
  while (WORDS.lastIndex < flat.length) {
    const [word] = WORDS.exec(flat) ?? [];
    if (word === undefined) return null;
    const hasTwo = word.length > 1 && TWO_NUMBERS.test(parts.at(-1) ?? '');
    parts.push(...(hasTwo ? [word.slice(0, -1), word.slice(-1)] : [word]));
  }
  return parts.join('.');
}
