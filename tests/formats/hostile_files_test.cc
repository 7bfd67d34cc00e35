// Every kind of model file, cut anywhere and with bits of its header turned over: it loads, or one sentence says why
// not; in under two seconds, within twice the file's size of memory.
#include <chrono>
#include <fstream>
#include <sstream>

#include "damage.h"
#include "file_builder.h"
#include "formats/gguf.h"
#include "formats/hf_config.h"
#include "formats/llama2c.h"
#include "formats/safetensors.h"
#include "support/test_data.h"

namespace wring::testing {
namespace {

using Parse = std::function<Status(const std::string& bytes)>;

std::string Content(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// Tables of names cost a constant factor of a small header; what is proportional to the file is at most twice it.
constexpr uint64_t kConstant = 256 << 10;

class Trial {
 public:
  Trial(Parse parse, uint64_t seed) : parse_(std::move(parse)), state_(seed) {}

  uint64_t Draw(uint64_t below) {
    state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
    return (state_ >> 33) % below;
  }

  void Judge(const std::string& bytes) {
    const auto start = std::chrono::steady_clock::now();
    AllocationScope scope;
    const Status status = parse_(bytes);
    ASSERT_LE(scope.peak(), kConstant + 2 * bytes.size());
    ASSERT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
    ++(status.ok() ? loaded_ : refused_);
    if (!status.ok()) ExpectOneSentence(status, "file");
  }

  // `cuts` prefixes, then `flips` files with 1 to 3 bits of the first `header` bytes turned over.
  void Run(const std::string& bytes, int cuts, int flips, size_t header) {
    Judge(bytes);
    for (int i = 0; i < cuts; ++i) {
      SCOPED_TRACE(fmt::format("cut {}", i));
      Judge(bytes.substr(0, Draw(bytes.size())));
      if (::testing::Test::HasFailure()) return;
    }
    header = std::min(header, bytes.size());
    std::string mutant = bytes;
    for (int i = 0; i < flips; ++i) {
      SCOPED_TRACE(fmt::format("flip {}", i));
      std::vector<std::pair<size_t, char>> undo;
      for (uint64_t n = 1 + Draw(3); n > 0; --n) {
        const size_t at = Draw(header);
        undo.emplace_back(at, mutant[at]);
        mutant[at] = static_cast<char>(mutant[at] ^ (1 << Draw(8)));
      }
      Judge(mutant);
      if (::testing::Test::HasFailure()) return;
      for (auto it = undo.rbegin(); it != undo.rend(); ++it) mutant[it->first] = it->second;
    }
    EXPECT_GT(loaded_, 0);
    EXPECT_GT(refused_, 0);
  }

 private:
  Parse parse_;
  uint64_t state_;
  int loaded_ = 0;
  int refused_ = 0;
};

Status ParseG(const std::string& bytes) { return ToStatus(ParseGguf(AsBytes(bytes), "file")); }

TEST(HostileFiles, Gguf) {
  const auto bytes = SmallGguf().Build();
  Trial(ParseG, 11).Run(bytes, 200, 4000, bytes.size() - 176);
}

TEST(HostileFiles, GgufVocabulary) {
  const auto path = DataDir() / "tokenizers/vocab-gguf/ggml-vocab-bert-bge.gguf";
  WRING_SKIP_WITHOUT(path, "set WRING_TEST_DATA");
  const auto bytes = Content(path);
  Trial(ParseG, 12).Run(bytes, 200, 300, 4096);
  Trial(ParseG, 13).Run(bytes, 0, 300, bytes.size());
}

TEST(HostileFiles, Safetensors) {
  const auto bytes = Content(TreeDir() / "tests/goldens/models/llama-gqa/model.safetensors");
  uint64_t header = 0;
  ASSERT_GT(bytes.size(), 8U);
  std::memcpy(&header, bytes.data(), 8);
  const Parse parse = [](const std::string& b) {
    return ToStatus(ParseSafetensors(AsBytes(b), "file"));
  };
  Trial(parse, 14).Run(bytes, 200, 3000, 8 + header);
}

TEST(HostileFiles, Llama2c) {
  const Parse parse = [](const std::string& b) {
    return ToStatus(ParseLlama2c(AsBytes(b), "file"));
  };
  Trial(parse, 15).Run(Llama2c(16, 32, 4, 4, 2, 64, 16), 100, 500, 28);
  const auto path = DataDir() / "models/stories260K/stories260K.bin";
  WRING_SKIP_WITHOUT(path, "set WRING_TEST_DATA");
  Trial(parse, 16).Run(Content(path), 200, 500, 28);
}

TEST(HostileFiles, ConfigJson) {
  const Parse parse = [](const std::string& b) { return ToStatus(HfConfig::Parse(b, "file")); };
  for (const char* model :
       {"models/llama-gqa", "architectures/gemma3", "architectures/phi3-long"}) {
    const auto bytes = Content(TreeDir() / "tests/goldens" / model / "config.json");
    Trial(parse, 17).Run(bytes, 200, 500, bytes.size());
  }
}

}  // namespace
}  // namespace wring::testing
