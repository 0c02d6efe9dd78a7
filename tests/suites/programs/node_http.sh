# A node http server and 200 requests to it, some at once, from the same process.
set -euo pipefail
cd "$(mktemp -d)"
cat > t.js <<'JS'
const http = require('http'), crypto = require('crypto');
const server = http.createServer((q, r) => { let s = ''; q.on('data', d => s += d); q.on('end', () => r.end(q.method + q.url + s)); });
server.listen(8091, '127.0.0.1', async () => {
  const ask = i => new Promise((done, fail) => {
    const q = http.request({ port: 8091, host: '127.0.0.1', path: '/' + i, method: 'POST' }, r => {
      let s = ''; r.on('data', d => s += d); r.on('end', () => s === 'POST/' + i + 'x'.repeat(i) ? done() : fail(s)); });
    q.on('error', fail); q.end('x'.repeat(i)); });
  for (let k = 0; k < 10; k++) await Promise.all([...Array(20).keys()].map(i => ask(k * 20 + i)));
  server.close(() => console.log('200 answers'));
});
JS
node t.js | grep -x '200 answers'
