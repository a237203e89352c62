import type { Reporter, TestModule } from 'vitest/node';

/**
 * Prints `N passed, N failed` as the last line, which scripts read. A file that fails to load and a hook that throws,
 * each of which keeps its tests from running, count as failed too.
 */
export class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const count = (state: string): number => tests.filter((test) => test.result().state === state).length;
    const groups = modules.flatMap((module) => [module, ...module.children.allSuites()]);
    const broken = groups.filter((group) => group.errors().length > 0).length;
    const failed = count('failed') + broken + unhandledErrors.length;
    const skipped = count('skipped');
    // After the other reporters' summaries, which end in the same event.
    process.on('exit', () => {
      process.stdout.write(
        `${count('passed')} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ''}\n`,
      );
    });
  }
}
