/** @file A metric of a process: what it is called and counted in, and how it follows from what the process is told. */

import type { Observation } from '../messages/observations.js';
import type { RunEvent } from '../messages/run-events.js';

export type Told = RunEvent | Observation;

type Labels = Readonly<Record<string, string>>;
/** Null is a figure that there is none of now. */
export type Sample = readonly [value: number | null, labels?: Labels];

export interface Metric {
  readonly name: string;
  readonly kind: 'counter' | 'gauge';
  /** As UCUM writes it: `s`, `By`, `1`, or a thing in braces. */
  readonly unit: string;
  readonly description: string;
  /** What it is told by. */
  readonly by: Told['kind'];
  /** What is added to a counter, or what a gauge stands at now; of a kind of event that is not its own, nothing. */
  readonly samplesOf: (told: Told) => readonly Sample[];
}

type Row<Kind extends Told['kind']> = readonly [
  kind: Metric['kind'],
  name: string,
  unit: string,
  description: string,
  samplesOf: (told: Extract<Told, { kind: Kind }>) => readonly Sample[],
];

/** The metrics that one kind of event tells. */
export function toldBy<Kind extends Told['kind']>(by: Kind, rows: readonly Row<Kind>[]): Metric[] {
  return rows.map(([kind, name, unit, description, samplesOf]) => ({
    ...{ kind, name: `tributary_${name}`, unit, description, by },
    samplesOf: (told) => (told.kind === by ? samplesOf(told as Extract<Told, { kind: Kind }>) : []),
  }));
}

export const one = (value: number | null | undefined, labels?: Labels): Sample[] =>
  value === undefined ? [] : [labels === undefined ? [value] : [value, labels]];
/** One sample for each name of a record. */
export const each = <Value>(
  label: string,
  values: Readonly<Record<string, Value>> | undefined,
  figureOf: (value: Value) => number | null,
): Sample[] => Object.entries(values ?? {}).map(([name, value]) => [figureOf(value), { [label]: name }]);
export const number = (value: number | null) => value;
