import { Argument, type Command } from 'commander';

/** `tributary completion`: what a shell completes, written from the commands themselves. */
export function addCompletionCommand(program: Command): void {
  program
    .command('completion')
    .description('print a script that completes commands and options: source <(tributary completion bash)')
    .addArgument(new Argument('<shell>').choices(Object.keys(SHELLS)))
    .action((name: string) => {
      const shell = SHELLS[name];
      if (shell) process.stdout.write(script(program, shell));
    });
}

/** Where a shell keeps the words of the line, and what it does with what fits. Where nothing fits, files are completed. */
const SHELLS: Readonly<Record<string, Shell>> = {
  bash: {
    head: '',
    before: `$COMP_CWORD \${COMP_WORDS[COMP_CWORD-1]}`,
    typed: `\${COMP_WORDS[1]} \${COMP_WORDS[COMP_CWORD]}`,
    complete: `COMPREPLY=($(compgen -W "$choices" -- "\${COMP_WORDS[COMP_CWORD]}"))`,
    tail: 'complete -o default -F _tributary tributary',
  },
  zsh: {
    head: '#compdef tributary\n',
    before: `$((CURRENT - 1)) \${words[CURRENT-1]}`,
    typed: `\${words[2]} \${words[CURRENT]}`,
    complete: `compadd -- \${=choices} || _files`,
    // As a file of $fpath it is the body of the function, and called for what has been typed already.
    tail: `if [[ $funcstack[1] == _tributary ]]; then
  _tributary "$@"
else
  (( $+functions[compdef] )) || { autoload -Uz compinit && compinit -i }
  compdef _tributary tributary
fi`,
  },
};

interface Shell {
  readonly head: string;
  /** How many words stand before the one that is completed, and the last of them. */
  readonly before: string;
  /** The command, and what is there of the word that is completed. */
  readonly typed: string;
  readonly complete: string;
  readonly tail: string;
}

/** The script of a shell. Options are offered once their dash is typed: most arguments are files. */
function script(program: Command, { head, before, typed, complete, tail }: Shell): string {
  const commands = program.commands.map(wordsOf);
  const line = (pattern: string, words: string) => `${pattern}) choices='${words}' ;;`;
  const [first, ofOptions, ofCommands] = [
    line('1\\ *', commands.map(({ name }) => name).join(' ')),
    choicesOf(program).map(([flag, words]) => line(`*\\ ${flag}`, words)),
    commands.flatMap(({ name, flags, words }) => [
      line(`${name}\\ -*`, flags),
      ...(words === '' ? [] : [line(`${name}\\ *`, words)]),
    ]),
  ];
  return `${head}_tributary() {
  local choices=
  case "${before}" in
    ${[first, ...ofOptions].join('\n    ')}
    *)
      case "${typed}" in
        ${ofCommands.join('\n        ')}
      esac
      ;;
  esac
  ${complete}
}
${tail}
`;
}

function wordsOf(command: Command): {
  readonly name: string;
  readonly words: string;
  readonly flags: string;
} {
  const below = command.commands.map((one) => one.name());
  const choices = command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []);
  const options = [command, ...command.commands].flatMap((one) => one.options);
  const flags = options.flatMap(({ long }) => long ?? []);
  return {
    name: command.name(),
    words: [...below, ...choices].join(' '),
    flags: [...new Set([...flags, '--help'])].join(' '),
  };
}

/** The options whose values are words of a list, which is the same wherever an option has that name. */
function choicesOf(program: Command): (readonly [flag: string, words: string])[] {
  const options = program.commands.flatMap((command) => [
    ...command.options,
    ...command.commands.flatMap((below) => below.options),
  ]);
  const listed = options.flatMap(({ long, argChoices }) =>
    long && argChoices ? [[long, argChoices.join(' ')] as const] : [],
  );
  return [...new Map(listed)];
}
