import { filter } from 'rxjs';

/** Drops prompts with one of these words. */
export default ({ words }) => {
  const unwanted = new Set(words);
  return filter(
    ({ prompt }) =>
      !prompt
        .toLowerCase()
        .split(/\W+/)
        .some((word) => unwanted.has(word)),
  );
};
