import type { Logger } from 'pino';
import type {
  Evaluation,
  Outcome,
  PromptSetEvaluation,
  RoundMetrics,
  RunEvent,
} from '../../streams/messages/run-events.js';
import { writeScore, writeShare } from '../../streams/report/figures.js';
import { createLog, type LogForm } from './log.js';
import { describeProgress, writeFigures } from './progress.js';
import { openStatusLine } from './status-line.js';

/** Shows a run while it goes on. */
export interface RunOutput {
  show(event: RunEvent): void;
  /** Says something as names and values, under a title that only JSON lines carry. */
  tell(title: string, rows: readonly (readonly [name: string, value: string])[]): void;
  /** Leaves the terminal as a prompt needs it. */
  close(): void;
}

/** Returns what shows a run: to a person on standard error, or as JSON lines there. */
export function openRunOutput(log: LogForm): RunOutput {
  return log === 'json' ? logOutput(createLog()) : textOutput(process.stderr, () => performance.now() / 1000);
}

/** Shows a run to a person: its progress, on one line of a terminal and elsewhere a line a round, and what is rare. */
export function textOutput(stream: Parameters<typeof openStatusLine>[0], now: () => number): RunOutput {
  const line = openStatusLine(stream);
  const progress = describeProgress(now);
  let isWorker = false;
  let saidAfterRound: readonly string[] = [];
  return {
    show(event) {
      isWorker ||= event.kind === 'joined';
      for (const text of printed(event)) line.print(text);
      if (event.kind === 'started') saidAfterRound = event.description.filter(isAboutFigures).map(writeRow);
      // Where the trainer is, its rounds tell as much.
      if (event.kind === 'worked' && isWorker) line.print(describeWork(event));
      const shown = progress(event);
      // Where the samplers are other processes, nobody says how far a round is.
      if (shown === null && event.kind === 'round') line.print(describeRound(event.metrics));
      if (shown !== null) {
        const { bar, text, doing } = shown;
        line.draw(`${bar} ${text} · ${doing}`, event.kind === 'round' ? text : undefined);
      }
      if (event.kind !== 'round' || event.metrics.optimizerSteps === 0) return;
      for (const text of saidAfterRound) line.print(text);
      saidAfterRound = [];
    },
    tell(_, rows) {
      const width = Math.max(...rows.map(([name]) => name.length));
      for (const [name, value] of rows) line.print(`${name.padEnd(width)} ${value}`);
    },
    close: () => line.clear(),
  };
}

/** Shows a run to programs: JSON lines. */
export function logOutput(log: Logger): RunOutput {
  return {
    show: (event) => logEvent(log, event),
    tell: (title, rows) => log.info(Object.fromEntries(rows), title),
    close: () => undefined,
  };
}

const LISTENING = {
  prompts: 'prompts accepted at',
  people: 'people served at',
  telemetry: 'figures served at',
} as const;

const LISTENING_LOGGED = {
  prompts: 'takes prompts',
  people: 'serves people',
  telemetry: 'serves figures',
} as const;

type Row = readonly [name: string, value: string];

const writeRow = ([name, value]: Row) => `${name.padEnd(24)} ${value}`;

/** What explains the figures of a round: said after the first one, which is when people ask. */
const isAboutFigures = ([name]: Row) => name === 'ratios';

function printed(event: RunEvent): string[] {
  switch (event.kind) {
    case 'started':
      return event.description.filter((row) => !isAboutFigures(row)).map(writeRow);
    case 'provider':
      return [
        ...event.fallbacks.map((fallback) => `warning: ${event.stage}: ${fallback}`),
        `${`${event.stage} runs on`.padEnd(24)} ${event.provider}`,
      ];
    case 'joined':
      return [`${'roles'.padEnd(24)} ${event.roles.join(', ')}, from round ${event.round}`];
    case 'prompts':
      return event.description.map(writeRow);
    case 'listening':
      return [`${LISTENING[event.what].padEnd(24)} ${event.url}`];
    case 'evaluation':
      return [describeEvaluation(event.evaluation)];
    case 'alarm':
      return [`alarm: ${event.alarm.message}`];
    case 'warning':
      return [`warning: ${event.message}`];
    case 'finished':
      return describeOutcome(event);
    case 'operated':
      return event.dropped + event.failed > 0 ? [describeOperated(event)] : [];
    case 'progress':
    case 'worked':
    case 'passed-over':
    case 'round':
    case 'checkpoint':
      return [];
    default:
      return event satisfies never;
  }
}

function describeOperated(event: Extract<RunEvent, { kind: 'operated' }>): string {
  const { stage, passed, dropped, failed } = event;
  return `${`operator ${stage}`.padEnd(24)} passed ${passed}, dropped ${dropped}, made ${failed} dead letters`;
}

function describeRound({ round, groups, rewardMean, verifiedAlignment }: RoundMetrics): string {
  const what = groups > 0 ? 'trained' : 'not trained, as no group has rewards';
  const figures = writeFigures(rewardMean, verifiedAlignment);
  return [`${`round ${round + 1}`.padEnd(24)} ${what}`, ...figures].join(' · ');
}

function describeWork({ role, round, groups, idleShare }: Extract<RunEvent, { kind: 'worked' }>): string {
  return `${`round ${round + 1}`.padEnd(24)} ${role}: ${groups} groups, idle ${writeShare(idleShare)} of the time`;
}

function describeEvaluation({ round, train, heldOut }: Evaluation): string {
  const figures = ({
    verifiedAlignment,
    rewardMean,
    prompts,
    unverifiedPrompts = 0,
  }: PromptSetEvaluation) => {
    if (train.verifiedAlignment === null || verifiedAlignment === null) return writeScore(rewardMean);
    const of = unverifiedPrompts === 0 ? '' : ` of ${prompts - unverifiedPrompts} of ${prompts}`;
    return `${writeShare(verifiedAlignment)}${of}`;
  };
  const what = train.verifiedAlignment === null ? 'reward' : 'verified';
  return `${policyOf(round).padEnd(24)} ${what} ${figures(train)} on training prompts, ${figures(heldOut)} on held-out ones`;
}

function describeOutcome({ best, stoppedBy }: Outcome): string[] {
  const reward = writeScore(best.heldOut.rewardMean);
  return [
    `${'best policy'.padEnd(24)} ${policyOf(best.round)}: reward ${reward} on held-out prompts, kept in best/`,
    ...(stoppedBy
      ? [
          `${'stopped by a guard'.padEnd(24)} ${stoppedBy.guard}, ${policyOf(stoppedBy.round)}; the adapter is the best policy`,
        ]
      : []),
  ];
}

function policyOf(round: number): string {
  return round === 0 ? 'base model' : `after ${round} ${round === 1 ? 'round' : 'rounds'}`;
}

function logEvent(log: Logger, event: RunEvent): void {
  switch (event.kind) {
    case 'started':
      log.info(Object.fromEntries(event.description), 'run started');
      break;
    case 'provider':
      for (const fallback of event.fallbacks) log.warn({ stage: event.stage }, fallback);
      log.info({ stage: event.stage, provider: event.provider }, 'graph ready');
      break;
    case 'joined':
      log.info({ roles: event.roles, round: event.round }, 'takes part');
      break;
    case 'prompts':
      log.info(Object.fromEntries(event.description), 'prompts read');
      break;
    case 'listening':
      log.info({ url: event.url }, LISTENING_LOGGED[event.what]);
      break;
    case 'worked': {
      const { kind: _, ...work } = event;
      log.info(work, 'round processed');
      break;
    }
    case 'passed-over': {
      const { kind: _, ...counts } = event;
      log.info(counts, 'messages skipped');
      break;
    }
    case 'operated': {
      const { kind: _, ...counts } = event;
      log.info(counts, 'messages operated on');
      break;
    }
    case 'progress':
      log.debug(event, 'progress');
      break;
    case 'round':
      log.info(event.metrics, 'round trained');
      break;
    case 'evaluation':
      log.info(event.evaluation, 'policy evaluated');
      break;
    case 'alarm': {
      const { message, ...figures } = event.alarm;
      log.warn(figures, message);
      break;
    }
    case 'warning':
      log.warn(event.message);
      break;
    case 'checkpoint':
      log.info({ path: event.path }, 'checkpoint saved');
      break;
    case 'finished':
      log.info({ best: event.best.round, stoppedBy: event.stoppedBy?.guard ?? null }, 'run finished');
      break;
    default:
      event satisfies never;
  }
}
