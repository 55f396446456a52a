import type { EmbeddingPlace } from '../../../models/pipeline/embeddings/embedding-file.js';
import type { ResolvedConfig } from '../schema/topology-schema.js';

/** The textual inversions of a config, which names them in a list, or by their tokens. */
export function embeddingsOf({ model }: Pick<ResolvedConfig, 'model'>): readonly EmbeddingPlace[] {
  const { embeddings = [] } = model;
  if (Array.isArray(embeddings)) return embeddings.map((path) => ({ path, token: null }));
  return Object.entries(embeddings).map(([token, path]) => ({ path, token }));
}
