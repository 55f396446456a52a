/** @file What the files of a policy are called, in runs, checkpoints and `best/`. */

export const ADAPTER_FILE = 'pytorch_lora_weights.safetensors';
/** Where all weights are trained, there is no adapter: the name that diffusers gives the weights of a UNet. */
export const WEIGHTS_FILE = 'diffusion_pytorch_model.safetensors';
