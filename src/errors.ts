/**
 * @file Every fault a user can meet is a TributaryError: it has a code from a closed list, so that callers branch on `code` and
 * never on text, and a message that names the place, what was expected, what it got instead, and the next step.
 */

/** The closed list of fault codes, and what each means. */
export const ERROR_CODES = {
  TRIB_USAGE: 'the command line or a config is wrong',
  TRIB_CONFIG: 'a config file has faults',
  TRIB_TEST: 'a test of a config failed',
  TRIB_FILE: 'a file is missing, truncated or cannot be written',
  TRIB_MODEL: 'a model folder or graph is not what the pipeline needs',
  TRIB_DOWNLOAD: 'a file could not be fetched from the hub, or sent to it',
  TRIB_GRAPH: 'a graph was built or transformed with shapes or types that do not fit',
  TRIB_NO_GRADIENT: 'an operator on the path to a parameter has no gradient rule',
  TRIB_LORA: 'a LoRA pattern does not fit the graph',
  TRIB_PROVIDER: 'an execution provider is not available',
  TRIB_ENGINE: 'a graph failed while it was prepared or run',
  TRIB_THREAD: 'a thread ended before it was closed',
  TRIB_CANCELLED: 'the work was canceled',
  TRIB_PROMPT: 'a prompt or a list of prompts cannot be used',
  TRIB_REWARD: 'a reward is not a finite number within its bound, or none arrived',
  TRIB_CHECKPOINT: 'a checkpoint is damaged or belongs to another run',
  TRIB_TRANSPORT: 'a message could not be published or delivered',
  TRIB_MESSAGE: 'a message from elsewhere cannot be read',
  TRIB_OPERATOR: 'an operator was given arguments that cannot work',
  TRIB_OVERFLOW: 'a bounded buffer was full',
  TRIB_INTERNAL: 'a promise of this program was broken',
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

interface ErrorContext {
  /** Whether trying again can help. */
  readonly retryable?: boolean;
  /** The stage in which the fault arose. */
  readonly stage?: string;
  /** The group concerned. */
  readonly groupId?: string;
  readonly cause?: unknown;
}

/** Faults in what the user wrote: a command line, a config, a prompt. */
const USER_FAULTS: readonly ErrorCode[] = ['TRIB_USAGE', 'TRIB_CONFIG', 'TRIB_PROMPT'];

/** A fault with a code and a message that ends with the next step. */
export class TributaryError extends Error {
  override readonly name = 'TributaryError';
  readonly retryable: boolean;
  // Declared only: a field that is not set is not there, so that whoever prints the fault sees what is known of it.
  declare readonly stage?: string;
  declare readonly groupId?: string;

  constructor(
    readonly code: ErrorCode,
    message: string,
    context: ErrorContext = {},
  ) {
    super(message, context.cause === undefined ? undefined : { cause: context.cause });
    this.retryable = context.retryable ?? false;
    if (context.stage !== undefined) this.stage = context.stage;
    if (context.groupId !== undefined) this.groupId = context.groupId;
  }

  /** Exit status of the program: 2 if the user's input is wrong, 1 if the work failed. */
  get exitCode(): 1 | 2 {
    return USER_FAULTS.includes(this.code) ? 2 : 1;
  }
}

/** What is wrong with a value, in the words of a message. */
export interface Said {
  readonly expected: string;
  readonly got: string;
  /** A sentence with its full stop or question mark. */
  readonly nextStep: string;
}

/** A fault of one setting of a config, whatever found it. `lint` puts it at the line of the setting. */
export class SettingError extends TributaryError {
  /** @param setting its path, such as `stages.sampler.buckets[1].width`. */
  constructor(
    readonly setting: string,
    readonly said: Said,
    code: ErrorCode = 'TRIB_CONFIG',
  ) {
    super(code, `${setting}: expected ${said.expected}, got ${said.got}. ${said.nextStep}`);
  }
}

/**
 * Turns any error into a fault. What the operating system refuses (a full disk, a missing permission) is a TRIB_FILE wherever
 * it comes up; any other error without a code is a fault of the program.
 */
export function asTributaryError(error: unknown): TributaryError {
  if (error instanceof TributaryError) return error;
  const { code, syscall, path } = (error ?? {}) as NodeJS.ErrnoException;
  if (code !== undefined && syscall !== undefined) {
    return new TributaryError(
      'TRIB_FILE',
      `${path ?? syscall}: expected the system to allow ${syscall}, got ${code}. Check the path, its permissions and the space on its disk.`,
      { cause: error },
    );
  }
  return new TributaryError(
    'TRIB_INTERNAL',
    `tributary: expected no internal fault, got "${error instanceof Error ? error.message : String(error)}". Report it with the lines below.`,
    { cause: error },
  );
}
