// Keeps what the runtime tells of its everyday work out of the report; what is wrong is shown.

import type { Logger } from '../../src/index.js';

export const quietLogger: Logger = {
  log(level, message, fields) {
    if (level === 'warn' || level === 'error') console.error(`  rouse ${level}: ${message}`, fields);
  },
};
