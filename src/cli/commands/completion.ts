import { Argument, type Command } from 'commander';

/** `tributary completion`: what a shell completes, written from the commands themselves. */
export function addCompletionCommand(program: Command): void {
  program
    .command('completion')
    .description('print a script that completes commands and options: source <(tributary completion bash)')
    .addArgument(new Argument('<shell>').choices(['bash', 'zsh']))
    .action((shell: string) => {
      process.stdout.write(script(program, shell));
    });
}

/** Bash's script; zsh runs it, too. Where nothing fits, files are completed. */
function script(program: Command, shell: string): string {
  const commands = program.commands.map(wordsOf);
  const start = shell === 'zsh' ? '#compdef tributary\nautoload -U +X bashcompinit && bashcompinit\n' : '';
  return `${start}_tributary() {
  local words
  case "$COMP_CWORD \${COMP_WORDS[COMP_CWORD-1]}" in
    1\\ *) words='${commands.map(({ name }) => name).join(' ')}' ;;
${choicesOf(program)
  .map(([flag, words]) => `    *\\ ${flag}) words='${words}' ;;`)
  .join('\n')}
    *)
      case "\${COMP_WORDS[1]}" in
${commands.map(({ name, words }) => `        ${name}) words='${words}' ;;`).join('\n')}
      esac
      ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _tributary tributary
`;
}

function wordsOf(command: Command): { readonly name: string; readonly words: string } {
  const below = command.commands.map((one) => one.name());
  const choices = command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []);
  const flags = command.options.flatMap(({ long }) => long ?? []);
  return { name: command.name(), words: [...below, ...choices, ...flags, '--help'].join(' ') };
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
