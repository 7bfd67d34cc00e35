"""A GGUF file of some hundred kilobytes: random weights over single bytes and a few merges.

What it says is noise: halves of characters, invalid UTF-8, control bytes. So it asks more of stream decoders and stop
filters than a model that has learnt to write, and it answers thousands of tokens a second.
"""
import array
import random
import struct

HIDDEN, LAYERS, HEADS, KV_HEADS, FFN = 64, 2, 4, 2, 128
UINT32, FLOAT32, STRING, ARRAY, INT32 = 4, 6, 8, 9, 5
# Conversations must alternate, as Mistral's and Gemma's must.
TEMPLATE = (
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "<{{ m.role }}>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)
# Pieces of characters that become one token: ends and beginnings that no text has alone.
MERGED = ["é", "ß", "中文", "👍", "👩‍💻", "न", "ми", " th", "e\u0301", "ي", "안"]


def byte_names():
    """GPT-2's letter for each byte."""
    plain = [b for b in range(256) if 33 <= b <= 126 or 161 <= b <= 172 or 174 <= b <= 255]
    names, extra = {}, 0
    for b in range(256):
        if b in plain:
            names[b] = chr(b)
        else:
            names[b] = chr(256 + extra)
            extra += 1
    return names


def vocabulary():
    names = byte_names()
    tokens = [names[b] for b in range(256)]
    merges = []
    for text in MERGED:
        letters = [names[b] for b in text.encode()]
        # Two from the front, then two of what is left: tokens that begin or end inside a character.
        for i in range(0, len(letters) - 1, 2):
            pair = (letters[i], letters[i + 1])
            if pair not in merges:
                merges.append(pair)
                tokens.append("".join(pair))
    tokens.append("<|end|>")
    return tokens, [f"{a} {b}" for a, b in merges]


def text(value):
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def field(key, kind, value):
    head = text(key) + struct.pack("<I", kind)
    if kind == UINT32:
        return head + struct.pack("<I", value)
    if kind == FLOAT32:
        return head + struct.pack("<f", value)
    if kind == STRING:
        return head + text(value)
    inner, values = value
    body = b"".join(text(v) if inner == STRING else struct.pack("<i", v) for v in values)
    return head + struct.pack("<IQ", inner, len(values)) + body


def write(path, context=4096, seed=1):
    tokens, merges = vocabulary()
    end = len(tokens) - 1
    fields = [
        field("general.architecture", STRING, "llama"),
        field("general.name", STRING, "tiny"),
        field("llama.context_length", UINT32, context),
        field("llama.embedding_length", UINT32, HIDDEN),
        field("llama.block_count", UINT32, LAYERS),
        field("llama.feed_forward_length", UINT32, FFN),
        field("llama.attention.head_count", UINT32, HEADS),
        field("llama.attention.head_count_kv", UINT32, KV_HEADS),
        field("llama.attention.layer_norm_rms_epsilon", FLOAT32, 1e-5),
        field("llama.rope.dimension_count", UINT32, HIDDEN // HEADS),
        field("llama.rope.freq_base", FLOAT32, 10000.0),
        field("llama.vocab_size", UINT32, len(tokens)),
        field("tokenizer.ggml.model", STRING, "gpt2"),
        field("tokenizer.ggml.pre", STRING, "gpt-2"),
        field("tokenizer.ggml.tokens", ARRAY, (STRING, tokens)),
        field("tokenizer.ggml.token_type", ARRAY, (INT32, [1] * end + [3])),
        field("tokenizer.ggml.merges", ARRAY, (STRING, merges)),
        field("tokenizer.ggml.bos_token_id", UINT32, end),
        field("tokenizer.ggml.eos_token_id", UINT32, end),
        field("tokenizer.chat_template", STRING, TEMPLATE),
    ]
    kv = HIDDEN // HEADS * KV_HEADS
    shapes = {"token_embd.weight": (HIDDEN, len(tokens)), "output_norm.weight": (HIDDEN,),
              "output.weight": (HIDDEN, len(tokens))}
    for i in range(LAYERS):
        shapes |= {f"blk.{i}.{name}.weight": shape for name, shape in {
            "attn_norm": (HIDDEN,), "attn_q": (HIDDEN, HIDDEN), "attn_k": (HIDDEN, kv), "attn_v": (HIDDEN, kv),
            "attn_output": (HIDDEN, HIDDEN), "ffn_norm": (HIDDEN,), "ffn_gate": (HIDDEN, FFN),
            "ffn_up": (HIDDEN, FFN), "ffn_down": (FFN, HIDDEN)}.items()}
    rng, infos, data = random.Random(seed), b"", bytearray()
    for name, shape in shapes.items():
        count = 1
        for n in shape:
            count *= n
        if len(shape) == 1:
            values = array.array("f", [1.0] * count)
        else:
            values = array.array("f", (rng.gauss(0, 0.25) for _ in range(count)))
        infos += text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape)
        infos += struct.pack("<IQ", 0, len(data))
        data += values.tobytes()
        data += bytes(-len(data) % 32)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(shapes), len(fields)) + b"".join(fields) + infos
    with open(path, "wb") as f:
        f.write(head + bytes(-len(head) % 32) + data)
