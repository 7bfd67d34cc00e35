#include "kv/spill_store.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace wring {
namespace {

namespace fs = std::filesystem;

class SpillStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto pool = PagePool::Create(HostDevice(), 16 * kSlabBytes);
    ASSERT_TRUE(pool.ok());
    pool_ = *std::move(pool);
    std::string name = ::testing::TempDir() + "wring-spill-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name + "/cache";
  }
  void TearDown() override { fs::remove_all(fs::path(folder_).parent_path()); }

  std::unique_ptr<SpillStore> Open(uint64_t columns, bool folder, uint64_t disk_columns = 100) {
    SpillOptions options;
    options.memory_bytes = columns * kBytes;
    if (folder) options.folder = folder_;
    options.folder_bytes = disk_columns * kBytes;
    auto store = SpillStore::Open(*pool_, HostDevice(), options);
    EXPECT_TRUE(store.ok()) << store.status().message();
    return store.ok() ? *std::move(store) : nullptr;
  }
  // Two blocks, filled with `value`.
  BlockColumn Column(uint8_t value) {
    BlockColumn column;
    for (uint64_t bytes : {kFirst, kBytes - kFirst}) {
      auto block = pool_->Allocate(bytes, PoolOwner::kPrefixCache);
      EXPECT_TRUE(block.ok());
      std::memset(pool_->at(block->offset()), value, bytes);
      column.push_back(std::make_shared<BlockHandle>(*std::move(block)));
    }
    return column;
  }
  bool Holds(const BlockColumn& column, uint8_t value) {
    for (const auto& b : column) {
      for (uint64_t i = 0; i < b->bytes(); ++i) {
        if (pool_->at(b->offset())[i] != std::byte{value}) return false;
      }
    }
    return true;
  }
  static std::vector<int32_t> Tokens(int32_t seed) {
    std::vector<int32_t> tokens;
    for (int32_t i = 0; i < 64; ++i) tokens.push_back(seed * 100 + i);
    return tokens;
  }
  static Hash128 Name(uint64_t i) { return {i * 0x9e3779b97f4a7c15ULL, i}; }

  static constexpr uint64_t kFirst = 4096, kBytes = 4096 + 8192;
  std::unique_ptr<PagePool> pool_;
  std::string folder_;
};

TEST_F(SpillStoreTest, GivesBackWhatItTookAndForgetsTheOldest) {
  auto store = Open(3, false);
  for (uint8_t i = 1; i <= 4; ++i) store->Put(Name(i), Tokens(i), Column(i));
  EXPECT_FALSE(store->Has(Name(1), kBytes));
  EXPECT_EQ(store->memory_used(), 3 * kBytes);
  const auto into = Column(0);
  EXPECT_FALSE(store->Take(Name(1), Tokens(1), into));
  EXPECT_FALSE(store->Take(Name(2), Tokens(9), into)) << "other tokens";
  EXPECT_TRUE(Holds(into, 0));
  ASSERT_TRUE(store->Take(Name(2), Tokens(2), into));
  EXPECT_TRUE(Holds(into, 2));
  store->Put(Name(5), Tokens(5), Column(5));  // 3 is the oldest now
  EXPECT_TRUE(store->Has(Name(2), kBytes));
  EXPECT_FALSE(store->Has(Name(3), kBytes));
}

TEST_F(SpillStoreTest, AnotherRunFindsTheFolder) {
  Hash128 secret;
  {
    auto store = Open(1, true);
    secret = store->secret();
    for (uint8_t i = 1; i <= 3; ++i) store->Put(Name(i), Tokens(i), Column(i));
    EXPECT_EQ(store->folder_used(), 2 * kBytes);  // two went from memory
    store->Flush();
  }
  auto store = Open(0, true);
  EXPECT_EQ(store->secret(), secret);
  EXPECT_EQ(store->folder_used(), 3 * kBytes);
  for (uint8_t i = 1; i <= 3; ++i) {
    const auto into = Column(0);
    ASSERT_TRUE(store->Take(Name(i), Tokens(i), into)) << int{i};
    EXPECT_TRUE(Holds(into, i));
  }
  // Without memory everything goes straight there.
  store->Put(Name(4), Tokens(4), Column(4));
  EXPECT_EQ(store->memory_used(), 0U);
  const auto into = Column(0);
  ASSERT_TRUE(store->Take(Name(4), Tokens(4), into));
  EXPECT_TRUE(Holds(into, 4));
}

TEST_F(SpillStoreTest, TheFolderStaysWithinItsSize) {
  auto store = Open(0, true, 2);
  for (uint8_t i = 1; i <= 5; ++i) store->Put(Name(i), Tokens(i), Column(i));
  EXPECT_EQ(store->folder_used(), 2 * kBytes);
  size_t files = 0;
  for (const auto& f : fs::directory_iterator(folder_)) files += f.path().extension() == ".kv";
  EXPECT_EQ(files, 2U);
  EXPECT_TRUE(store->Has(Name(5), kBytes));
  EXPECT_FALSE(store->Has(Name(3), kBytes));
}

TEST_F(SpillStoreTest, DamagedFilesAreNeverUsed) {
  {
    auto store = Open(0, true);
    store->Put(Name(1), Tokens(1), Column(1));
  }
  const fs::path file = [&] {
    for (const auto& f : fs::directory_iterator(folder_)) {
      if (f.path().extension() == ".kv") return f.path();
    }
    return fs::path();
  }();
  std::ifstream in(file, std::ios::binary);
  const std::string good((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  const auto write = [&](const std::string& bytes) {
    std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
  };
  for (size_t at = 0; at < good.size(); at += 997) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    write(bad);
    auto store = Open(0, true);
    const auto into = Column(0);
    EXPECT_FALSE(store->Take(Name(1), Tokens(1), into)) << "byte " << at;
    EXPECT_FALSE(fs::exists(file)) << "what is damaged goes";
  }
  for (const size_t size : {size_t{0}, size_t{10}, good.size() - 1}) {
    write(good.substr(0, size));
    auto store = Open(0, true);
    const auto into = Column(0);
    EXPECT_FALSE(store->Take(Name(1), Tokens(1), into)) << size << " bytes";
  }
  write(good);
  auto store = Open(0, true);
  const auto into = Column(0);
  EXPECT_TRUE(store->Take(Name(1), Tokens(1), into));
}

TEST_F(SpillStoreTest, OneProcessOwnsAFolder) {
  auto store = Open(0, true);
  SpillOptions options;
  options.folder = folder_;
  const auto second = SpillStore::Open(*pool_, HostDevice(), options);
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.status().message().find("another process"), std::string::npos);
  options.folder = "/proc/nowhere";
  EXPECT_EQ(SpillStore::Open(*pool_, HostDevice(), options).status().code(), Code::kIo);
}

}  // namespace
}  // namespace wring
