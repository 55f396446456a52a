import { TributaryError } from '../../../errors.js';

/** What a thread opens before it serves. */
export interface OpenedOnce<Settings, Opened> {
  open(settings: Settings): Promise<Opened>;
  /** @throws TRIB_INTERNAL before it is opened. */
  value(): Opened;
  current(): Opened | undefined;
}

/** Holds what a thread works with from its `open` call on. */
export function openedOnce<Settings, Opened>(
  name: string,
  make: (settings: Settings) => Promise<Opened>,
): OpenedOnce<Settings, Opened> {
  let opened: Opened | undefined;
  return {
    async open(settings) {
      opened = await make(settings);
      return opened;
    },
    value() {
      if (opened) return opened;
      throw new TributaryError(
        'TRIB_INTERNAL',
        `${name} thread: expected to be opened first, got a call before it. Call open.`,
      );
    },
    current: () => opened,
  };
}
