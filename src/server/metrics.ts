import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { BatchLoad } from '../generate/batch/batch.ts';
import type { RequestEnd } from './request-record.ts';

/** What Prometheus reads at /metrics. */
export interface Metrics {
  readonly contentType: string;
  text(): Promise<string>;
  observe(end: RequestEnd): void;
}

export interface MetricSources {
  readonly load: () => BatchLoad;
  readonly gpuBytes: () => number;
}

const SECONDS = [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300];

export function createMetrics({ load, gpuBytes }: MetricSources): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const requests = new Counter({
    name: 'tessera_requests_total',
    help: 'Requests that ended, by path and HTTP status (499: the client left)',
    labelNames: ['path', 'status'],
    registers,
  });
  const seconds = new Histogram({
    name: 'tessera_request_seconds',
    help: 'From the arrival of a request to its end',
    labelNames: ['path'],
    buckets: SECONDS,
    registers,
  });
  const firstToken = new Histogram({
    name: 'tessera_first_token_seconds',
    help: 'From the arrival of a request to its first token, waiting included',
    buckets: SECONDS,
    registers,
  });
  const tokens = new Counter({
    name: 'tessera_tokens_total',
    help: 'Tokens of prompts and of answers that are whole',
    labelNames: ['kind'],
    registers,
  });
  const gauge = (name: string, help: string, value: () => number): Gauge =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value());
      },
    });
  gauge('tessera_running_requests', 'Requests being answered', () => load().running);
  gauge('tessera_waiting_requests', 'Requests that wait for their turn', () => load().waiting);
  gauge('tessera_slots', 'Requests that can be answered at once', () => load().slots);
  gauge('tessera_cache_pages', 'Pages of the KV cache', () => load().pages);
  gauge('tessera_free_cache_pages', 'Pages that no request holds', () => load().freePages);
  gauge('tessera_gpu_bytes', 'Sum of all GPU buffers of the models', gpuBytes);
  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    observe(end) {
      requests.inc({ path: end.path, status: String(end.status) });
      seconds.observe({ path: end.path }, end.seconds);
      if (end.firstTokenSeconds !== undefined) firstToken.observe(end.firstTokenSeconds);
      tokens.inc({ kind: 'prompt' }, end.promptTokens ?? 0);
      tokens.inc({ kind: 'generated' }, end.generatedTokens ?? 0);
    },
  };
}
