/**
 * Returns the embedding of a guidance scale w that networks distilled to it take (`timestep_cond`; Luo et al. 2023, section
 * 4.2), as `get_guidance_scale_embedding(w - 1, width)` of diffusers computes it.
 *
 * Equation: sines, then cosines, of 1000·(w - 1)·10000^(-i / (h - 1)) for i = 0..h-1, h the half of the width; a 0 last where
 * the width is odd. Shape: [width], at least 4. In single precision as there: the phases go up to 100,000.
 */
export function guidanceEmbedding(guidanceScale: number, width: number): Float32Array {
  const half = Math.floor(width / 2);
  const rate = Math.fround(-Math.log(10_000) / (half - 1));
  const strength = Math.fround(Math.fround(guidanceScale - 1) * 1000);
  const embedding = new Float32Array(width);
  for (let i = 0; i < half; i++) {
    const phase = Math.fround(strength * Math.fround(Math.exp(Math.fround(i * rate))));
    embedding[i] = Math.sin(phase);
    embedding[half + i] = Math.cos(phase);
  }
  return embedding;
}
