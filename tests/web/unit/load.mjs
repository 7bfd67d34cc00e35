// The page's own TypeScript modules, translated by the vite that builds them, so that no second translator is needed.
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';

const web = fileURLToPath(new URL('../../../web/', import.meta.url));
const vite = createRequire(`${web}package.json`).resolve('vite/package.json');
const { createServer } = await import(pathToFileURL(vite.replace('package.json', 'dist/node/index.js')).href);

const server = await createServer({
  root: web, configFile: false, logLevel: 'error', appType: 'custom', optimizeDeps: { noDiscovery: true },
  server: { middlewareMode: true, hmr: false, ws: false, watch: null },
});

export const load = (path) => server.ssrLoadModule(`/src/${path}`);
export const close = () => server.close();
