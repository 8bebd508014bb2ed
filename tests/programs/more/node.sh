#!/bin/bash
# node.sh - node: objects, strings, buffers, compression in worker threads.
. "$(dirname "$0")/../lib.sh"
need node

cat >script.js <<'END'
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const zlib = require('zlib'), crypto = require('crypto');
function work(seed) {
    const map = new Map(); let state = seed;
    for (let i = 0; i < 200000; i++) {
        state = (Math.imul(state, 1103515245) + 12345) >>> 0;
        map.set(state % 7919, 'x'.repeat(state % 61) + i);
    }
    const buffers = [];
    for (let i = 0; i < 300; i++) buffers.push(Buffer.alloc(1000 + i * 997, i % 251));
    const packed = zlib.deflateSync(Buffer.concat(buffers));
    const text = JSON.stringify([...map.entries()].sort((a, b) => a[0] - b[0]));
    return crypto.createHash('sha256').update(text).update(zlib.inflateSync(packed)).digest('hex');
}
if (isMainThread) {
    const results = []; let left = 4;
    for (let i = 0; i < 4; i++)
        new Worker(__filename, { workerData: i + 1 }).on('message', m => { results[i] = m; })
            .on('exit', () => { if (--left === 0) console.log(results.join('\n') + '\n' + work(99)); });
} else parentPort.postMessage(work(workerData));
END
same_output node node script.js
