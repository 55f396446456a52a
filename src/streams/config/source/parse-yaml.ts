import { type Alias, type Document, LineCounter, parseDocument, visit } from 'yaml';

/** Longest text that is parsed, in characters. Presets are a hundredth of it. */
const MOST_CHARACTERS = 1_000_000;
/** Resolving an alias walks the document, and each one may repeat everything its anchor holds. */
const MOST_ALIASES = 100;

/** What is wrong with a text, and where. */
interface YamlProblem {
  readonly offset: number;
  /** What came instead of YAML: it belongs after "got". */
  readonly problem: string;
}

interface YamlText {
  readonly document: Document;
  readonly lineCounter: LineCounter;
  /** The value means nothing where there is one. */
  readonly problems: readonly YamlProblem[];
  readonly value: unknown;
}

/**
 * Parses YAML that anyone may have written. Text that would take long is refused: more than 1,000,000 characters, more
 * than 100 aliases, or values nested deeper than the parser can follow. Nothing is printed, as the parser's warnings would
 * quote the text verbatim.
 *
 * @param options.uniqueKeys Whether a key that stands twice in a mapping is a problem; callers that name both places look
 *   for themselves.
 */
export function parseYaml(text: string, { uniqueKeys = false } = {}): YamlText {
  const lineCounter = new LineCounter();
  const isLong = text.length > MOST_CHARACTERS;
  const document = parseDocument(isLong ? '' : text, {
    lineCounter,
    uniqueKeys,
    merge: false,
    logLevel: 'error',
  });
  const problems = document.errors.map(({ pos, message }) => ({ offset: pos[0], problem: inWords(message) }));
  if (isLong)
    problems.push({ offset: 0, problem: `${text.length} characters, more than ${MOST_CHARACTERS}` });
  if (problems.length === 0) problems.push(...aliasProblems(document));
  let value: unknown;
  if (problems.length === 0) {
    try {
      value = document.toJS({ maxAliasCount: MOST_ALIASES });
    } catch (error) {
      problems.push({ offset: 0, problem: inWords(error instanceof Error ? error.message : String(error)) });
    }
  }
  return { document, lineCounter, problems, value };
}

/** Too many aliases, or aliases of nothing. */
function aliasProblems(document: Document): YamlProblem[] {
  const aliases: Alias[] = [];
  visit(document, {
    Alias(_, alias) {
      aliases.push(alias);
      return aliases.length > MOST_ALIASES ? visit.BREAK : undefined;
    },
  });
  const at = ({ range }: Alias) => range?.[0] ?? 0;
  const beyond = aliases[MOST_ALIASES];
  if (beyond) return [{ offset: at(beyond), problem: `more than ${MOST_ALIASES} aliases` }];
  return aliases
    .filter((alias) => alias.resolve(document) === undefined)
    .map((alias) => ({ offset: at(alias), problem: `the alias *${alias.source} of nothing before it` }));
}

/** The parser's message without its position and the quoted line; its own limits in words. */
function inWords(message: string): string {
  if (/call stack/.test(message)) return 'values that are nested too deep';
  if (/Excessive alias count/.test(message)) return 'aliases that repeat too much';
  return (message.split(/ at line \d+/)[0] ?? message).replace(/\.$/, '');
}
