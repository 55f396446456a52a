import type { Alarm } from '../messages/run-events.js';
import { escapeHtml } from './escape-html.js';

/** The alarm that ended the run; undefined where none did. */
export function stopOf(alarms: readonly Alarm[]): Alarm | undefined {
  return alarms.find(({ action }) => action === 'stop');
}

/** What the guards said, in order; nothing where they were silent. */
export function alarmList(alarms: readonly Alarm[]): string {
  if (alarms.length === 0) return '';
  const items = alarms.map(({ message }) => `<li>${escapeHtml(message)}</li>`);
  return `<h2>Alarms</h2>\n<ul class="alarms">${items.join('')}</ul>\n`;
}
