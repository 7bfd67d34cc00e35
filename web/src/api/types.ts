// The parts of the OpenAI API that the page reads and writes.

export interface ChatMessage {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

export interface ChatRequest {
  model: string;
  messages: ChatMessage[];
  stream: true;
  stream_options: { include_usage: true };
  temperature?: number;
  top_p?: number;
  max_completion_tokens?: number;
  seed?: number;
  tools?: unknown[];
}

export interface Usage {
  prompt_tokens?: number;
  completion_tokens?: number;
  prompt_tokens_details?: { cached_tokens?: number } | null;
}

export interface ToolCallDelta {
  index?: number;
  id?: string;
  function?: { name?: string; arguments?: string };
}

export interface ChatChunk {
  choices?: {
    delta?: {
      content?: string | null;
      reasoning_content?: string | null;
      reasoning?: string | null; // the name that some servers give it
      tool_calls?: ToolCallDelta[] | null;
      refusal?: string | null;
    };
    finish_reason?: string | null;
  }[];
  usage?: Usage | null;
  error?: unknown;
}
