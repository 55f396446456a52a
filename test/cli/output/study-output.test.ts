import { expect, test } from 'vitest';
import { textStudyOutput } from '../../../src/cli/output/study-output.js';
import type { RunToDo, StudyEvent } from '../../../src/streams/study/run-study.js';
import { followStudy } from '../../../src/streams/study/study-progress.js';
import { exampleStudy, runsToDo } from '../../streams/study/example-study.js';

const ERASE = '\r\u001b[K';

test('should say which run it is, how far, and how long it will take, with what is rare above', () => {
  let seconds = 0;
  let text = '';
  const terminal = {
    isTTY: true,
    columns: 100,
    write: (part: string) => {
      text += part;
    },
  };
  const output = textStudyOutput(terminal, () => seconds);
  const runs = runsToDo(exampleStudy())
    .slice(0, 2)
    .map((one): RunToDo => ({ ...one, row: { ...one.row, cost: 1 } }));
  const [run] = runs as [RunToDo];
  const follow = followStudy(runs);
  const show = (event: StudyEvent) => output.show(event, follow(event));

  show({ kind: 'begun', run });
  seconds = 30;
  show({ kind: 'round', run, completeRounds: 1 });
  // A quarter of the work took 30 s.
  const line = '████▌░░░░░░░░░░░░░ 0/2 runs · plain, seed 1: 1/2 · 1 min 30 s left';
  expect(text.split(ERASE).at(-1)).toBe(line);
  show({ kind: 'warning', run, message: 'no checkpoint' });
  expect(text.split(ERASE).at(-1)).toBe(`warning: plain, seed 1: no checkpoint\n${line}`);
  output.close();
  expect(text.endsWith(ERASE)).toBe(true);
});
