/** @file Names of tensors in the adapter files of many programs. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { foreignKind, parseTensorName } from '../../../src/models/adapters/tensor-names.js';

/** diffusers' names of modules by those of SGM (tools/reference/sgm_names.py). */
const LAYOUTS = JSON.parse(readFileSync('test/fixtures/sgm-names.json', 'utf8')) as Readonly<
  Record<'sd1' | 'sdxl', Readonly<Record<string, string>>>
>;

describe('parseTensorName', () => {
  it.each(['sd1', 'sdxl'] as const)(
    'should find every module that has a name of SGM, as diffusers does: %s',
    (layout) => {
      const modules = Object.entries(LAYOUTS[layout]);
      expect(modules.length).toBeGreaterThan(200);
      for (const [theirs, ours] of modules) {
        const expected = { key: `unet.${ours}`, part: 'A' };
        expect(parseTensorName(`lora_unet_${theirs.replaceAll('.', '_')}.lora_down.weight`)).toEqual(
          expected,
        );
        for (const prefix of ['unet.', 'diffusion_model.', 'model.diffusion_model.', 'lora_unet.', ''])
          expect(parseTensorName(`${prefix}${theirs}.lora_down.weight`)).toEqual(expected);
        for (const prefix of ['unet.', 'lora_unet.', 'base_model.model.', ''])
          expect(parseTensorName(`${prefix}${ours}.lora_A.weight`)).toEqual(expected);
        expect(parseTensorName(`lycoris_${ours.replaceAll('.', '_')}.lora_down.weight`)).toEqual(expected);
      }
    },
  );

  const [q, text] = [
    'up_blocks.0.attentions.1.transformer_blocks.0.attn1.to_q',
    'encoder.layers.1.self_attn.q_proj',
  ];
  const joint = 'transformer_blocks.3.attn.add_q_proj';
  it.each([
    [`unet.${q}.lora_A.default_0.weight`, `unet.${q}`, 'A'],
    [`unet.${q}.lora_B.default.weight`, `unet.${q}`, 'B'],
    [`${q}.lora_A.lora_1.weight`, `unet.${q}`, 'A'],
    [`unet.base_model.model.${q}.lora_A.weight`, `unet.${q}`, 'A'],
    [`${q}.lora_linear_layer.up.weight`, `unet.${q}`, 'B'],
    ['up_blocks.0.attentions.1.transformer_blocks.0.attn1.processor.to_q_lora.up.weight', `unet.${q}`, 'B'],
    ['lora_unet_mid_block_resnets_0_conv1.lora_mid.weight', 'unet.mid_block.resnets.0.conv1', 'mid'],
    ['conv_in.lora_down.weight', 'unet.conv_in', 'A'],
    [`lora_te_text_model_${text.replaceAll('.', '_')}.alpha`, `text_encoder.text_model.${text}`, 'alpha'],
    [`lora_te1.text_model.${text}.lora_down.weight`, `text_encoder.text_model.${text}`, 'A'],
    [`clip_l.text_model.${text}.lora_up.weight`, `text_encoder.text_model.${text}`, 'B'],
    [`clip_g.text_model.${text}.lora_up.weight`, `text_encoder_2.text_model.${text}`, 'B'],
    [
      `text_encoders.clip_g.transformer.text_model.${text}.lora_A.weight`,
      `text_encoder_2.text_model.${text}`,
      'A',
    ],
    [`text_encoder_2.${text}.lora_A.weight`, `text_encoder_2.text_model.${text}`, 'A'],
    [`text_encoder.text_model.${text}.lora_linear_layer.down.weight`, `text_encoder.text_model.${text}`, 'A'],
    [
      'text_encoder.text_model.encoder.layers.1.self_attn.to_q_lora.up.weight',
      `text_encoder.text_model.${text}`,
      'B',
    ],
    [`base_model.model.text_model.${text}.lora_A.weight`, `text_encoder.text_model.${text}`, 'A'],
    ['lora_unet_mid_block_resnets_0_conv1.hada_t1', 'unet.mid_block.resnets.0.conv1', 'hada_t1'],
    [`${q}.lokr_w2_a`, `unet.${q}`, 'lokr_w2_a'],
    [`unet.${q}.lora_magnitude_vector`, `unet.${q}`, 'magnitude'],
    [`base_model.model.${q}.lora_magnitude_vector.default`, `unet.${q}`, 'magnitude'],
    [
      'lora_unet_input_blocks_4_1_proj_in.dora_scale',
      'unet.down_blocks.1.attentions.0.proj_in',
      'dora_scale',
    ],
    ['lora_unet_input_blocks_1_0_in_layers_0.w_norm', 'unet.down_blocks.0.resnets.0.norm1', 'w_norm'],
    ['diffusion_model.out.2.diff_b', 'unet.conv_out', 'diff_b'],
    [`unet.${q}.lora_B.default.bias`, `unet.${q}`, 'bias'],
    ['lora_unet_mid_block_resnets_0_conv1.on_input', 'unet.mid_block.resnets.0.conv1', 'on_input'],
    ['lora_unet_mid_block_resnets_0_conv1.weight', 'unet.mid_block.resnets.0.conv1', 'ia3'],
    ['lora_te2_text_projection.lora_up.weight', 'text_encoder_2.text_projection', 'B'],
    [`transformer.${joint}.lora_A.weight`, `transformer.${joint}`, 'A'],
    [`transformer.${joint}.lora_B.default.weight`, `transformer.${joint}`, 'B'],
    [`base_model.model.${joint}.lora_A.weight`, `transformer.${joint}`, 'A'],
    [`transformer.base_model.model.${joint}.lora_magnitude_vector`, `transformer.${joint}`, 'magnitude'],
    ['transformer.context_embedder.lora_B.weight', 'transformer.context_embedder', 'B'],
  ])('should read %s', (name, key, part) => {
    expect(parseTensorName(name)).toEqual({ key, part });
  });

  it.each([
    ['lora_unet_a.oft_blocks', 'OFT'],
    ['oft_unet_input_blocks_4_1_proj_in.oft_blocks.0', 'OFT'],
    ['lora_unet_a.a1.weight', 'GLoRA'],
    ['base_model.model.a.vera_lambda_b', 'VeRA'],
    ['base_model.model.text_model.embeddings.token_embedding.lora_embedding_A', 'token embeddings'],
    ['mid_block.attentions.0.attn2.processor.to_k_custom_diffusion.weight', 'Custom Diffusion'],
    ['lllite_unet_input_blocks_4_1_attn1_to_q.down.0.weight', 'LLLite'],
    ['ip_adapter.1.to_k_ip.weight', 'IP-Adapter'],
    ['down_blocks.0.motion_modules.0.temporal_transformer.to_q.lora_down.weight', 'AnimateDiff'],
    ['lora_controlnet', 'ControlNet'],
    ['lora_vae_decoder_conv_in.lora_down.weight', 'VAE'],
    ['lora_te3_encoder_block_0_layer_0_SelfAttention_k.lora_down.weight', 'Stable Diffusion 3'],
    ['conditioner.embedders.0.transformer.text_model.final_layer_norm.weight', 'a whole checkpoint'],
    ['bundle_emb.cat.clip_l_out', 'OneTrainer'],
    ['emb_params', 'textual inversion'],
    ['clip_g', 'textual inversion'],
    ['<cat>', 'textual inversion'],
    ['transformer.blocks.0.attn.to_k.lora_A.weight', 'PixArt'],
    ['transformer.single_transformer_blocks.0.attn.to_k.lora_A.weight', 'FLUX'],
    ['lora_unet_double_blocks_0_img_attn_proj.lora_down.weight', 'FLUX'],
    ['lora_unet_joint_blocks_0_x_block_attn_qkv.lora_up.weight', 'FLUX'],
    ['lora_transformer_transformer_blocks_0_attn_to_k.lora_down.weight', 'FLUX'],
    ['diffusion_model.layers.0.attention.qkv.lora_A.weight', 'FLUX'],
  ])('should know what %s is, which it does not read', (name, kind) => {
    expect(parseTensorName(name)).toBe(undefined);
    expect(foreignKind(name)).toContain(kind);
  });
});
