/** @file The constants of a program on the backend, uploaded when a run first needs them and kept for later runs. */

import type { Tensor } from '../../tensor.js';
import type { Tf, TfTensor } from './ops/op.js';
import { upload } from './tensors.js';

export class Constants {
  readonly #tf: Tf;
  readonly #tensors: ReadonlyMap<string, Tensor>;
  readonly #uploaded = new Map<string, TfTensor>();

  constructor(tf: Tf, tensors: ReadonlyMap<string, Tensor>) {
    this.#tf = tf;
    this.#tensors = tensors;
  }

  /** The constant as the model has it; undefined if the name is not that of a constant. */
  find(name: string): Tensor | undefined {
    return this.#tensors.get(name);
  }

  uploaded(name: string, tensor: Tensor): TfTensor {
    return this.#kept(name, () => upload(this.#tf, tensor, name));
  }

  /** A constant in another layout, made once. */
  laidOut(name: string, layout: string, lay: () => TfTensor): TfTensor {
    return this.#kept(`${name} as ${layout}`, lay);
  }

  dispose(): void {
    for (const tensor of this.#uploaded.values()) tensor.dispose();
    this.#uploaded.clear();
  }

  #kept(key: string, make: () => TfTensor): TfTensor {
    const known = this.#uploaded.get(key);
    if (known) return known;
    const tensor = this.#tf.keep(make());
    this.#uploaded.set(key, tensor);
    return tensor;
  }
}
