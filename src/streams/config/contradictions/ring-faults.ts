import { graphStages, graphTopics, isQueue } from '../graph/topology-graph.js';
import type { ResolvedConfig } from '../schema/topology-schema.js';
import type { Contradiction } from './config-rule.js';

/**
 * Returns a fault for each ring of queues. Messages in one would multiply without a bound: only the prompts stage admits work,
 * by what the trainer has finished, and that comes over a broadcast. A ring through a gateway has its bound there: it asks for
 * pictures where people do, and takes each group once.
 */
export function ringFaults(config: Pick<ResolvedConfig, 'stages'>): Contradiction[] {
  const topics = graphTopics(config);
  const queues = new Set(topics.filter(({ kind }) => kind === null || isQueue(kind)).map(({ name }) => name));
  const readersOf = (topic: string) => topics.find(({ name }) => name === topic)?.readers ?? [];
  const isBounded = (name: string) => config.stages[name]?.type === 'gateway';
  const stages = graphStages(config).filter(({ name }) => !isBounded(name));
  const next = new Map(
    stages.map(({ name, writes }) => [
      name,
      writes.filter(({ topic }) => queues.has(topic)).flatMap(({ topic }) => readersOf(topic)),
    ]),
  );
  const rings = new Map<string, readonly string[]>();
  for (const start of next.keys()) {
    const ring = ringThrough(start, next);
    const key = ring && [...ring].sort().join();
    if (key !== null && !rings.has(key)) rings.set(key, ring ?? []);
  }
  return Array.from(rings.values(), (ring) => ({
    kind: 'port',
    path: ['stages', ring[0] ?? ''],
    expected: 'no ring of topics without admission',
    got: [...ring, ring[0]].map((name) => `"${name}"`).join(' to '),
    nextStep: 'Let one of them write to another topic.',
    involves: [],
  }));
}

/** The shortest way from a stage back to itself; null where there is none. */
function ringThrough(start: string, next: ReadonlyMap<string, readonly string[]>): readonly string[] | null {
  const paths: (readonly string[])[] = [[start]];
  const seen = new Set<string>();
  for (const path of paths) {
    for (const name of next.get(path.at(-1) ?? '') ?? []) {
      if (name === start) return path;
      if (seen.has(name)) continue;
      seen.add(name);
      paths.push([...path, name]);
    }
  }
  return null;
}
