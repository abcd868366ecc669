// `log` inside workflows: a plain call that writes through the runtime's logger, and is silent while a journal is replayed.

import { stepping } from './context.js';
import type { LogLevel } from './ports.js';
import { OutsideWorkflowError } from './workflow-errors.js';

function write(level: LogLevel, message: string, fields: object | undefined): void {
  if (stepping.task === null) throw new OutsideWorkflowError(`log.${level}()`);
  stepping.task.log(level, message, fields);
}

/**
 * Writes to the runtime's logger with the instance and task, once: a replay is silent.
 *
 * @throws OutsideWorkflowError when it is not called from a workflow's generator
 */
export const log = {
  debug: (message: string, fields?: object): void => write('debug', message, fields),
  info: (message: string, fields?: object): void => write('info', message, fields),
  warn: (message: string, fields?: object): void => write('warn', message, fields),
  error: (message: string, fields?: object): void => write('error', message, fields),
};
