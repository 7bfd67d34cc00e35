// What an answer cost, beside what the machine could do.
#include <algorithm>

#include "bench/machine.h"
#include "bench/roofs.h"
#include "cli/engine.h"
#include "formats/describe.h"

namespace wring::cli {
namespace {

// Bytes of weights that one token reads: every matrix once, and of an embedding beside an output matrix one
// row only. The C interface does not tell, so they are counted in the file.
uint64_t WeightBytes(const std::string& path) {
  const auto file = Describe(path);
  if (!file.ok()) return 0;
  uint64_t bytes = 0;
  uint64_t embedding = 0;
  bool untied = false;
  for (const TensorRecord& t : file->tensors) {
    if (t.shape.size() < 2) continue;
    bytes += t.bytes;
    if (t.name == "output.weight" || t.name == "lm_head.weight") untied = true;
    if (t.name == "token_embd.weight" || t.name == "model.embed_tokens.weight") embedding = t.bytes;
  }
  return untied ? bytes - embedding : bytes;
}

// GB/s, measured once a process; 0 when there is no memory to measure with.
double ReadRoof(uint32_t threads) {
  static const double roof = [threads] {
    if (!bench::CheckMemory(bench::kMemoryBytes, "").ok()) return 0.0;
    auto roofs = bench::Roofs::Create(bench::kMemoryBytes);
    ThreadPool pool(threads);
    return roofs.ok() ? (*roofs)->Read(pool).gb_per_s : 0.0;
  }();
  return roof;
}

}  // namespace

std::string StatsText(const wring_generate_stats& s, const std::string& path, uint32_t threads,
                      uint64_t seed) {
  const auto rate = [](double count, double seconds) {
    return seconds > 0 ? count / seconds : 0.0;
  };
  // Steps after the prompt's: the first token came out of that one, and an end-of-text token took one more. One
  // token has no speed: a finished grammar ends the answer without a step.
  const double decoded =
      s.generated_tokens <= 1 ? 0.0 : s.generated_tokens - (s.finish == 0 ? 0.0 : 1.0);
  const double decode_rate = rate(decoded, s.decode_seconds);
  std::string text =
      fmt::format("prompt {} tokens, {:.1f} tok/s; answer {} tokens, {:.1f} tok/s", s.prompt_tokens,
                  rate(s.prompt_tokens, s.prompt_seconds), s.generated_tokens, decode_rate);
  const uint64_t bytes = WeightBytes(path);
  const double gb_per_s = decode_rate * static_cast<double>(bytes) / 1e9;
  if (bytes > 0 && decoded > 0) text += fmt::format(", {:.1f} GB/s of weights", gb_per_s);
  if (threads == 0) threads = static_cast<uint32_t>(DefaultThreads());
  const double roof = bytes > 0 && decoded > 0 ? ReadRoof(threads) : 0;
  if (roof > 0)
    text += fmt::format(" = {:.0f} % of the {:.1f} GB/s this machine reads", 100 * gb_per_s / roof,
                        roof);
  if (s.masks > 0) {
    text += fmt::format("\ngrammar masks: {}, {:.0f} us each, {:.0f} us the longest", s.masks,
                        1e6 * s.mask_seconds / s.masks, 1e6 * s.longest_mask_seconds);
  }
  const auto machine = bench::ThisMachine();
  return text +
         fmt::format("\n{}, {} threads, {}, seed {}\n", machine.cpu, threads, machine.isa, seed);
}

}  // namespace wring::cli
