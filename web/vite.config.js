// Files apart from the html and no inline script or style, so that the server can forbid both (Content-Security-Policy).
export default {
  base: './', // the server may be mounted below a path
  build: {
    target: 'es2022',
    assetsInlineLimit: 0, // data: addresses are forbidden too
    cssCodeSplit: false,
    modulePreload: false,
    reportCompressedSize: false,
    rollupOptions: { output: { entryFileNames: 'assets/[name]-[hash].js', chunkFileNames: 'assets/[name]-[hash].js' } },
  },
  // `npm run dev` shows the page with changes as they are saved, in front of a server started by hand.
  server: {
    proxy: Object.fromEntries(['/v1', '/metrics'].map((path) => [path, process.env.WRING_URL ?? 'http://127.0.0.1:8080'])),
  },
};
