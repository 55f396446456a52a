/** @file A run directory as the page shows it; nothing in it is changed. */

import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { z } from 'zod';
import { findStage } from '../../streams/config/resolved/stage-of.js';
import { type ResolvedConfig, topologySchema } from '../../streams/config/schema/topology-schema.js';
import { BEAT_MS, LOCK_FILE } from '../../streams/directory/run-lock.js';
import {
  PROMPTS_FILE,
  SAMPLE_COLUMNS,
  SAMPLE_GAP,
  SAMPLES_FOLDER,
} from '../../streams/directory/run-samples.js';
import { newestConfigPath, readSavedConfig } from '../../streams/directory/saved-config.js';
import { treeRounds } from '../../streams/directory/tree-files.js';
import { LogLines } from './log-lines.js';
import type { runSamples, runSummary } from './schemas.js';

export const METRICS_FILE = 'metrics.jsonl';
const SAMPLES_NAME = /^round-(\d+)\.png$/;
/** What is served of `samples/`. */
export const SAMPLE_FILE = /^(?:(?:round|trees)-\d{4,}\.png|trees-\d{4,}\.json)$/;
/** A process that has written no sign of life for so long does not work any more. */
const SILENT_MS = 3 * BEAT_MS;
/** Lines among which the last round is: alarms and evaluations come after it. */
const NEWEST_LINES = 100;

export class RunFolder {
  readonly id: string;
  readonly log: LogLines;

  constructor(readonly path: string) {
    this.id = basename(resolve(path));
    this.log = new LogLines(join(path, METRICS_FILE));
  }

  /** The config that the run was last worked on with; null where there is none, or none that this program reads. */
  async config(): Promise<ResolvedConfig | null> {
    const saved = await readSavedConfig(this.path, basename(await newestConfigPath(this.path)));
    if (saved.state !== 'whole') return null;
    return topologySchema.safeParse(saved.settings).data ?? null;
  }

  async summary(config: ResolvedConfig | null): Promise<z.infer<typeof runSummary>> {
    const prompts = config && findStage(config, 'prompts');
    const numRounds = prompts?.numRounds ?? 0;
    const { round, isStopped } = await this.#newest();
    const isFinished = isStopped || (numRounds > 0 && round >= numRounds);
    const state = await this.#state(config !== null, isFinished);
    return { id: this.id, name: config?.name ?? this.id, state, round, numRounds };
  }

  async samples(): Promise<z.infer<typeof runSamples>> {
    const names = await readdir(join(this.path, SAMPLES_FOLDER)).catch(() => []);
    const rounds = names.flatMap((name) => SAMPLES_NAME.exec(name)?.[1] ?? []).map(Number);
    return {
      prompts: await this.samplePrompts(),
      columns: SAMPLE_COLUMNS,
      gap: SAMPLE_GAP,
      rounds: rounds.sort((a, b) => a - b),
    };
  }

  /** The prompts of the pictures of an evaluation, one a row. */
  async samplePrompts(): Promise<string[]> {
    const text = await readFile(join(this.path, SAMPLES_FOLDER, PROMPTS_FILE), 'utf8').catch(() => '');
    return text.split('\n').filter((line) => line !== '');
  }

  trees(): Promise<number[]> {
    return treeRounds(this.path);
  }

  async #state(hasBegun: boolean, isFinished: boolean): Promise<z.infer<typeof runSummary>['state']> {
    if (!hasBegun) return 'waiting';
    const beat = await stat(join(this.path, LOCK_FILE)).catch(() => null);
    if (beat && Date.now() - beat.mtimeMs < SILENT_MS) return 'running';
    return isFinished ? 'finished' : 'stopped';
  }

  /** Finished rounds, and whether a guard has ended the run. */
  async #newest(): Promise<{ readonly round: number; readonly isStopped: boolean }> {
    const count = await this.log.count();
    const { lines } = await this.log.read(Math.max(0, count - NEWEST_LINES), NEWEST_LINES);
    const values = lines.map(({ value }) => value as { kind?: unknown; round?: unknown; action?: unknown });
    const last = values.findLast(({ kind, round }) => kind === 'round' && typeof round === 'number');
    const isStopped = values.some(({ kind, action }) => kind === 'alarm' && action === 'stop');
    return { round: last === undefined ? 0 : Number(last.round) + 1, isStopped };
  }
}
