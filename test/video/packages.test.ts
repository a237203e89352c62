/** What a program without the optional packages gets. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const run = promisify(execFile);

/** Opens a clip in a process that cannot resolve `missing`; the message it fails with. */
async function failureWithout(missing: string, clip: string): Promise<string> {
  const hook = `export function resolve(name, context, next) {
    if (name === ${JSON.stringify(missing)}) throw new Error('Cannot find package ' + name);
    return next(name, context);
  }`;
  const program = `import { register } from 'node:module';
    register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(hook)}`)});
    const { openVideo } = await import('./src/video/open-video.ts');
    await openVideo(${JSON.stringify(clip)}).catch((error) => console.log(error.name + ': ' + error.message));`;
  const args = ['--import', 'tsx', '--input-type=module', '--eval', program];
  return (await run(process.execPath, args)).stdout.trim();
}

const install = 'Run: npm install mediabunny @napi-rs/webcodecs';

test.each(['mediabunny', '@napi-rs/webcodecs'])(
  'without %s, a clip is refused with what to install',
  async (missing) => {
    expect(await failureWithout(missing, 'test/video/clips/vp9.webm')).toBe(
      `UnsupportedError: video: the package "${missing}", which reads video files, does not load (Cannot find package ${missing}). ${install}`,
    );
  },
);

test('an animated GIF needs neither', async () => {
  expect(await failureWithout('mediabunny', 'test/video/clips/animated.gif')).toBe('');
});
