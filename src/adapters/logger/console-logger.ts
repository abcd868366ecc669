// Writes the log as lines to the console: warnings and errors to stderr, the rest to stdout.

import type { Logger } from '../../runtime/ports.js';

export function consoleLogger(): Logger {
  return {
    log(level, message, fields) {
      const shown = Object.entries(fields)
        .filter(([, value]) => value !== undefined && value !== null)
        .map(
          ([name, value]) =>
            `${name}=${value instanceof Error ? value.message : typeof value === 'object' ? JSON.stringify(value) : String(value)}`,
        )
        .join(' ');
      const line = `rouse ${level}: ${message}${shown === '' ? '' : ` (${shown})`}`;
      if (level === 'warn' || level === 'error') console.error(line);
      else console.log(line);
    },
  };
}
