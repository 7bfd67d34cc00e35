#include "base/atomic_file.h"

#include <sys/resource.h>

#include <csignal>
#include <fstream>

#include "damage.h"
#include "file_builder.h"

namespace wring::testing {
namespace {

std::string Read(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

size_t Entries(const std::filesystem::path& path) {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(path)) ++count;
  return count;
}

TEST(AtomicFile, AppearsWholeAndReplaces) {
  TempDir dir;
  const auto path = dir.Write("a", "old");
  auto file = AtomicFile::Create(path);
  ASSERT_TRUE(file.ok()) << file.status().message();
  ASSERT_TRUE(file->Write("new ").ok());
  ASSERT_TRUE(file->Write(AsBytes("text")).ok());
  EXPECT_EQ(Read(path), "old");
  ASSERT_TRUE(file->Commit().ok());
  EXPECT_EQ(Read(path), "new text");
  EXPECT_EQ(Entries(dir.path()), 1U);
}

TEST(AtomicFile, WithoutCommitNothingRemains) {
  TempDir dir;
  {
    auto file = AtomicFile::Create((dir.path() / "a").string());
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE(file->Write("text").ok());
    EXPECT_EQ(Entries(dir.path()), 1U);
    auto other = std::move(*file);
    EXPECT_EQ(Entries(dir.path()), 1U);
  }
  EXPECT_EQ(Entries(dir.path()), 0U);
}

TEST(AtomicFile, ASymbolicLinkSurvives) {
  TempDir dir;
  const auto target = dir.Write("target", "old");
  std::filesystem::create_symlink("target", dir.path() / "link");
  ASSERT_TRUE(WriteFileAtomically((dir.path() / "link").string(), "new").ok());
  EXPECT_TRUE(std::filesystem::is_symlink(dir.path() / "link"));
  EXPECT_EQ(Read(target), "new");
}

TEST(AtomicFile, RefusalsAreOneSentence) {
  TempDir dir;
  const auto absent = (dir.path() / "no/such/file").string();
  ExpectOneSentence(WriteFileAtomically(absent, "x"), absent);
  EXPECT_EQ(WriteFileAtomically(absent, "x").code(), Code::kNotFound);
  ExpectOneSentence(WriteFileAtomically("/dev/null", "x"), "/dev/null");
  ExpectOneSentence(WriteFileAtomically(dir.path().string(), "x"), dir.path().string());
}

// sysfs refuses new files to everyone, the superuser included.
TEST(AtomicFile, AnUnwritableDirectory) {
  if (!std::filesystem::is_directory("/sys")) GTEST_SKIP() << "needs /sys: mount it";
  const auto status = WriteFileAtomically("/sys/wring-test", "x");
  EXPECT_EQ(status.code(), Code::kIo);
  ExpectOneSentence(status, "/sys/wring-test");
  EXPECT_NE(status.message().find("/sys cannot be written to"), std::string::npos)
      << status.message();
}

// The file size limit stands for a full disk: both fail in write() half-way.
TEST(AtomicFile, AFailedWriteLeavesTheOldFileAndNoPart) {
  TempDir dir;
  const auto path = dir.Write("a", "old");
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit limit = before;
  limit.rlim_cur = 4096;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  const auto status = WriteFileAtomically(path, std::string(10000, 'x'));
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(status.code(), Code::kIo);
  ExpectOneSentence(status, path);
  EXPECT_EQ(Read(path), "old");
  EXPECT_EQ(Entries(dir.path()), 1U);
}

TEST(AtomicFile, AFullDisk) {
  // /dev/full cannot be renamed over; a tiny file system can be named where one is mounted.
  const char* full = std::getenv("WRING_FULL_DIR");
  if (full == nullptr) GTEST_SKIP() << "set WRING_FULL_DIR to a mounted file system of a few KiB";
  const auto path = (std::filesystem::path(full) / "a").string();
  const auto status = WriteFileAtomically(path, std::string(64 << 20, 'x'));
  EXPECT_NE(status.message().find("the disk is full"), std::string::npos) << status.message();
  EXPECT_EQ(Entries(full), 0U);
}

}  // namespace
}  // namespace wring::testing
