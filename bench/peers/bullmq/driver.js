// BullMQ's part of bench/peers; `run --help` says what a driver is.
'use strict';
const { Queue, Worker } = require('bullmq');

const [job, ...settings] = process.argv.slice(2);
const option = Object.fromEntries(settings.map((setting) => setting.split(/=(.*)/s)));
const messages = Number(option.messages);
const connection = {
  url: option.url,
  maxRetriesPerRequest: null,
};
const body = 'x'.repeat(180);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const print = (result) => console.log(JSON.stringify({ job, messages, ...result }));

// Times the messages between the first and the last tenth.
function meter() {
  const first = Math.floor(messages / 10), last = messages - first;
  let count = 0, marked, begin, cpu, timed, finish;
  const mark = () => {
    marked = count;
    begin = process.hrtime.bigint();
    cpu = process.cpuUsage();
  };
  mark();
  const result = new Promise((done) => (finish = done));
  return {
    result,
    add(n) {
      const before = count;
      count += n;
      if (before < last && count >= last) {
        const used = process.cpuUsage(cpu);
        timed = {
          timed: count - marked,
          seconds: Number(process.hrtime.bigint() - begin) / 1e9,
          cpu_seconds: (used.user + used.system) / 1e6,
        };
      } else if (before < first && count >= first) {
        mark();
      }
      if (count === messages) finish(timed);
      if (count > messages) throw new Error(`${count} of ${messages} messages`);
    },
  };
}

function startWorker(handler) {
  const removed = { count: 0 }; // as the other queues do with what was handled
  const told = { connection, removeOnComplete: removed };
  if (option.concurrency) told.concurrency = Number(option.concurrency);
  const worker = new Worker('bench', handler, told);
  worker.on('error', (error) => { throw error; });
  return worker;
}

async function produce() {
  const queue = new Queue('bench', { connection });
  await queue.waitUntilReady();
  const batch = Number(option.batch);
  const { result, add } = meter();
  let next = 0;
  const producer = async () => {
    while (next < messages) {
      const jobs = [];
      for (; jobs.length < batch && next < messages; ++next) jobs.push({ name: 'm', data: { n: next, body } });
      if (batch === 1) await queue.add(jobs[0].name, jobs[0].data);
      else await queue.addBulk(jobs);
      add(jobs.length);
    }
  };
  await Promise.all(Array.from({ length: Number(option.inflight) }, producer));
  print(await result);
  await queue.close();
}

async function consume() {
  const { result, add } = meter();
  const workers = Array.from({ length: Number(option.workers || 1) }, () => startWorker(async () => add(1)));
  print(await result);
  await Promise.all(workers.map((worker) => worker.close()));
}

async function latency() {
  const queue = new Queue('bench', { connection });
  let handled;
  const worker = startWorker(async () => handled(process.hrtime.bigint()));
  await Promise.all([queue.waitUntilReady(), worker.waitUntilReady()]);
  await sleep(200);
  const ms = [];
  for (let n = 0; n < messages; ++n) {
    const arrival = new Promise((done) => (handled = done));
    const begin = process.hrtime.bigint();
    await queue.add('m', { n, body });
    ms.push(Number((await arrival) - begin) / 1e6);
    await sleep(5);
  }
  print({ ms });
  await worker.close();
  await queue.close();
}

async function delayed() {
  const queue = new Queue('bench', { connection });
  const due = [], ms = [];
  let finish;
  const all = new Promise((done) => (finish = done));
  const worker = startWorker(async (handled) => {
    ms.push(performance.now() - due[handled.data.n]);
    if (ms.length === messages) finish();
  });
  await Promise.all([queue.waitUntilReady(), worker.waitUntilReady()]);
  const begin = performance.now();
  for (let n = 0; n < messages; ++n) {
    due.push(performance.now() + Number(option.delay_ms));
    await queue.add('m', { n, body }, { delay: Number(option.delay_ms) });
    await sleep(begin + (n + 1) * Number(option.gap_ms) - performance.now());
  }
  await all;
  print({ ms });
  await worker.close();
  await queue.close();
}

({ produce, consume, latency, delayed })[job]().then(() => process.exit(0), (error) => {
  console.error(error);
  process.exit(1);
});
