// The names under which the server publishes what is shown. They are vLLM's, with the prefix of this server.
export const names = {
  running: 'wring:num_requests_running',
  waiting: 'wring:num_requests_waiting',
  promptTokens: 'wring:prompt_tokens_total',
  generatedTokens: 'wring:generation_tokens_total',
  firstToken: 'wring:time_to_first_token_seconds',
  interToken: 'wring:inter_token_latency_seconds',
  wholeRequest: 'wring:e2e_request_latency_seconds',
  queueTime: 'wring:request_queue_time_seconds',
  poolBytes: 'wring:pool_bytes', // label owner
  prefixQueries: 'wring:prefix_cache_queries_total', // tokens
  prefixHits: 'wring:prefix_cache_hits_total', // tokens
  rejected: 'wring:requests_rejected_total', // label reason
  cancelled: 'wring:requests_cancelled_total',
} as const;

/** From the bottom of the stack up: what is in use, then what is not. What slabs waste is a part of what is free. */
export const poolOwners = ['kv_cache', 'prefix_cache', 'adapter', 'speculative', 'free'] as const;
