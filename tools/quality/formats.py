"""What each GGUF weight format and each KV cache codec costs in quality: a table, and with --write a CSV.

loss  perplexity / perplexity of the baseline, minus 1; the baseline has float16 weights and float16 keys and values
+-    half of the normal 95 % interval of the loss over tokens, paired
KL    mean Kullback-Leibler divergence from that baseline, nats a token

The baseline's probabilities are kept as float16: that alone makes a KL of 2e-7 to 4e-7 and a +- of 4e-5 (1,000 tokens).

Weights: the reference decoder (a small llama of real bf16 weights) becomes a float32 GGUF, llama-quantize --pure makes
each format of it, so that every matrix has that format, the tied embedding included; no importance matrix. They score
windows of 2,048 held-out tokens, the second half of each, as shipped: what a kernel rounds beside the weights counts.
Keys and values: the reference decoder with float16 weights, and SmolLM2 135M over WikiText-2 with the weights that it
is distributed with (its baseline too). Their products round activations to 8 bits, so that any disturbance makes them
round otherwise: the row of f32 shows how much KL that alone makes.
Needs 3 GB in TMPDIR. The figures are of the processor's kernels.
"""

import argparse
import json
import math
import pathlib
import subprocess
import sys
import tempfile

import gguf
import numpy as np

import binary
from gguf_model import BLOCK_NAMES, OTHER_NAMES, common
from reference import cache_folder, model_path, test_data, whole_file

DECODER = "refdec-29m"
FORMATS = ["F32", "BF16", "Q8_0", "Q6_K", "Q5_K", "Q4_K", "Q3_K", "Q2_K", "Q5_1", "Q5_0", "Q4_1", "Q4_0"]
FORMATS += ["IQ4_NL", "IQ4_XS", "MXFP4"]  # beside F16
# What llama-quantize calls them where that differs; pure, the mixtures S, M and L of a K type are one.
CALLED = {"Q5_K": "Q5_K_S", "Q4_K": "Q4_K_S", "Q3_K": "Q3_K_S", "MXFP4": "MXFP4_MOE"}
CODECS = ["f32", "int8"]  # beside f16
SAME = 1e-3  # relative: perplexity of the float32 GGUF against that of the directory, both --exact
CHECK_WINDOWS = 4
CHAT_MODEL = "smollm2-135m-instruct"
TEXT = "text/wikitext2/wiki.test.raw"
HEADER = "kind,name,loss,kl,model,tokens"


def find_quantizer(named: pathlib.Path | None) -> pathlib.Path:
    peer = cache_folder() / "peers" / "llama.cpp"
    for path in [named] if named else sorted(peer.glob("build-*/bin/llama-quantize")):
        if path.is_file():
            return path
    raise SystemExit(f"{named or peer}: no llama-quantize; run bench/peers/build llama.cpp, or use --quantizer")


def gguf_name(name: str) -> str:
    if name.startswith("model.layers."):
        layer, part = name.removeprefix("model.layers.").split(".", 1)
        stems = {theirs: f"blk.{layer}.{ours}" for ours, theirs in BLOCK_NAMES.items()}
    else:
        part, stems = name, {theirs: ours for ours, theirs in OTHER_NAMES.items()}
    return stems[part.removesuffix(".weight")] + ".weight"


def write_float32(folder: pathlib.Path, path: pathlib.Path) -> None:
    """A Hugging Face directory of llama architecture as a GGUF file without a tokenizer."""
    model = common.load(folder)
    config = model.config
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    interleaved = np.argsort(common.rotate_half_rows(config.head_dim))  # GGUF wants RoPE pairs as neighbours
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        values = tensor.float().numpy()
        if name.endswith(("q_proj.weight", "k_proj.weight")):
            heads = values.reshape(-1, config.head_dim, values.shape[1])
            values = np.ascontiguousarray(heads[:, interleaved].reshape(values.shape))
        writer.add_tensor(gguf_name(name), values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def quantize(quantizer: pathlib.Path, source: pathlib.Path, name: str) -> pathlib.Path:
    path = source.with_name(f"{name}.gguf")
    command = [quantizer, "--pure", source, path, CALLED.get(name, name), "1"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{quantizer} failed ({done.returncode}): {done.stdout.strip()[-500:]}")
    kinds = {tensor.tensor_type.name for tensor in gguf.GGUFReader(path).tensors if len(tensor.shape) > 1}
    if kinds != {name}:
        raise SystemExit(f"{quantizer} made matrices of {', '.join(sorted(kinds))} for {name}")
    return path


class Scorer:
    """`wring perplexity` of one text. `base` runs first; `row` compares with it."""

    def __init__(self, args, work: pathlib.Path, label: str, text: list, windows: int):
        self.command = [args.wring, "perplexity", *text, "--mode", "llama", "--windows", str(windows)]
        self.command += ["--threads", str(args.threads), "--device", "cpu", "--json", "-"]
        self.kept, self.label = work / f"{label}.kl", label

    def run(self, model: pathlib.Path, *options) -> dict:
        command = [*self.command[:2], model, *self.command[2:], *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"wring perplexity {model} failed ({done.returncode}): {done.stderr.strip()}")
        return json.loads(done.stdout)

    def base(self, model: pathlib.Path) -> dict:
        figures = self.run(model, "--kl-save", self.kept)
        self.perplexity, self.tokens = figures["perplexity"]["value"], figures["scored_tokens"]
        print(f"{self.label}: perplexity {self.perplexity:.4f} of the baseline over {self.tokens} tokens", flush=True)

    def row(self, kind: str, name: str, model: pathlib.Path, *options) -> str:
        figures = self.run(model, "--kl-base", self.kept, *options)
        ratio, kl = figures["perplexity"]["value"] / self.perplexity, figures["kl_divergence_nats"]["value"]
        half = 1.96 * ratio * figures["loss_difference_nats"]["error"]
        print(f"  {kind:7} {name:6} loss {ratio - 1:+.6f} +- {half:.6f}, KL {kl:.6f}", flush=True)
        return self.line(kind, name, ratio - 1, kl)

    def line(self, kind: str, name: str, loss: float = 0, kl: float = 0) -> str:
        return f"{kind},{name},{loss:z.6f},{kl:z.6f},{self.label},{self.tokens}"


def same_perplexity(scorer: Scorer, folder: pathlib.Path, source: pathlib.Path) -> None:
    theirs, ours = (scorer.run(model, "--exact")["perplexity"]["value"] for model in (folder, source))
    if not math.isclose(theirs, ours, rel_tol=SAME):
        raise SystemExit(f"the GGUF made of {folder} has perplexity {ours:.4f}, the directory has {theirs:.4f}")


def codecs(scorer: Scorer, model: pathlib.Path) -> list[str]:
    return [scorer.line("kv", "f16")] + [scorer.row("kv", name, model, "--kv", name) for name in CODECS]


def comments(args) -> list[str]:
    return [
        "# What weight formats and KV codecs cost in quality, measured by tools/quality/formats.py on the processor.",
        "# loss: perplexity over that of float16 weights and float16 keys and values, minus 1; below 0 by noise.",
        "# kl: mean divergence from that baseline, nats a token. tokens: how many are scored.",
        f"# {DECODER}: a llama of 29 million parameters; held-out tokens in {args.windows} windows of 2,048, second",
        "# halves; llama-quantize --pure: every matrix has the format, the tied embedding too; no imatrix.",
        f"# {CHAT_MODEL}: WikiText-2 (test), {args.chat_windows} windows of 512; its own weights throughout, whose",
        "# products round activations to 8 bits, so that any change disturbs them: the row of f32 shows how much.",
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, default=40, help="of the reference decoder (default: 40)")
    parser.add_argument("--chat-windows", type=int, default=20, help=f"of {CHAT_MODEL} (default: 20)")
    parser.add_argument("--quantizer", type=pathlib.Path, help="llama-quantize (default: that of bench/peers/build)")
    parser.add_argument("--write", metavar="FILE", type=pathlib.Path, help="write the CSV there")
    binary.add_arguments(parser)
    args = parser.parse_args()

    common.quiet()
    binary.require(args.wring)
    folder, text, chat = test_data(f"models/{DECODER}"), test_data(TEXT), model_path(CHAT_MODEL)
    quantizer = find_quantizer(args.quantizer)
    with tempfile.TemporaryDirectory() as temporary:
        work = pathlib.Path(temporary)
        ids, source = work / "tokens.i32", work / "source.gguf"
        np.fromfile(folder / "eval_tokens.u16", "<u2").astype("<i4").tofile(ids)
        write_float32(folder, source)
        decoder_text = [ids, "--tokens", "--context", "2048"]
        same_perplexity(Scorer(args, work, DECODER, decoder_text, CHECK_WINDOWS), folder, source)
        decoder = Scorer(args, work, DECODER, decoder_text, args.windows)
        f16 = quantize(quantizer, source, "F16")
        decoder.base(f16)
        lines = [decoder.line("weights", "F16")]
        for name in FORMATS:
            lines.append(decoder.row("weights", name, quantize(quantizer, source, name)))
        lines += codecs(decoder, f16)
        decoder.kept.unlink()
        talker = Scorer(args, work, CHAT_MODEL, [text], args.chat_windows)
        talker.base(chat)
        lines += codecs(talker, chat)
    if args.write:
        with whole_file(args.write) as part:
            part.write_text("\n".join([*comments(args), HEADER, *lines]) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
