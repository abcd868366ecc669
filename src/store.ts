// rouse/store: what is done to a store from outside, by whoever looks after it. Both functions only read the store, and
// work while a process has it open.

export { type BackupReport, backupStore } from './adapters/stores/json/operations/backup.js';
export type { StoreOperationOptions, StoreProgress } from './adapters/stores/json/operations/options.js';
export type { StoreFigures, StoreHolder, StoreProblem, StoreReport, StoreTail } from './adapters/stores/json/operations/report.js';
export { verifyStore } from './adapters/stores/json/operations/verify.js';
