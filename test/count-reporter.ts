// Ends a run with one plain line, "N passed, N failed", for machines that read the output. Whatever makes the
// run fail is counted, not only failed tests: a file that cannot be loaded must never read as "0 failed".

import type { Reporter, TestModule, TestRunEndReason } from 'vitest/node';

interface Counts {
  readonly passed: number;
  readonly failed: number;
}

export class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[], reason: TestRunEndReason): void {
    const counts = modules.map(countModule);
    const passed = counts.reduce((sum, count) => sum + count.passed, 0);
    const failed = counts.reduce((sum, count) => sum + count.failed, unhandledErrors.length);

    process.stdout.write(`\n${passed} passed, ${reason === 'passed' ? failed : Math.max(failed, 1)} failed\n`);
  }
}

function countModule(module: TestModule): Counts {
  const suites = [module, ...module.children.allSuites()];
  const brokenSuites = suites.filter((suite) => suite.errors().length > 0).length;
  const tests = [...module.children.allTests()].map((test) => test.result().state);
  return {
    passed: tests.filter((state) => state === 'passed').length,
    failed: tests.filter((state) => state === 'failed').length + brokenSuites,
  };
}
