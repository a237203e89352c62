/** `npm run web` builds the page and serves it; `npm run web:build` builds what is deployed, into dist-web. */
import { buildPage } from './build.ts';
import { servePage } from './serve.ts';

const FOLDER = 'dist-web';
const PORT = Number(process.env.PORT ?? 8430);

if (process.argv[2] === 'build') {
  await buildPage(FOLDER, { offline: true });
  console.log(`${FOLDER}: copy it to any web server that serves over https.`);
} else {
  await buildPage(FOLDER, { offline: false });
  servePage(FOLDER).listen(PORT, '127.0.0.1', () => console.log(`http://localhost:${PORT}/`));
}
