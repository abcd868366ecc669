import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { CountReporter } from './test/count-reporter.js';

const source = (file: string) => fileURLToPath(new URL(`./src/${file}`, import.meta.url));

export default defineConfig({
  resolve: {
    // Examples and tests import the package by its name, as a user does, and get the sources.
    alias: [
      { find: /^rouse$/, replacement: source('index.ts') },
      { find: /^rouse\/store$/, replacement: source('store.ts') },
      { find: /^rouse\/testing$/, replacement: source('testing.ts') },
    ],
  },
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/bench/**'],
    // Processes, not threads: some tests change process state, take file locks, or are killed.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 20_000,
    reporters: ['default', new CountReporter()],
    coverage: { provider: 'v8', include: ['src/**/*.ts'] },
  },
});
