// Where test material is found. A test that needs what is absent skips with one clear line.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace wring::testing {

// Third-party material: WRING_TEST_DATA, by default ../shared/data beside the checkout.
inline std::filesystem::path DataDir() {
  if (const char* dir = std::getenv("WRING_TEST_DATA")) return dir;
  return std::filesystem::path(WRING_SOURCE_DIR) / "../shared/data";
}

// Models fetched by tools/models: WRING_CACHE, else $XDG_CACHE_HOME/wring, else ~/.cache/wring.
inline std::filesystem::path ModelDir() {
  if (const char* dir = std::getenv("WRING_CACHE")) return std::filesystem::path(dir) / "models";
  if (const char* dir = std::getenv("XDG_CACHE_HOME"))
    return std::filesystem::path(dir) / "wring/models";
  const char* home = std::getenv("HOME");
  return std::filesystem::path(home ? home : "/tmp") / ".cache/wring/models";
}

// What the tree itself carries.
inline std::filesystem::path TreeDir() { return WRING_SOURCE_DIR; }

}  // namespace wring::testing

#define WRING_SKIP_WITHOUT(needed, remedy) \
  if (!std::filesystem::exists(needed))    \
  GTEST_SKIP() << "needs " << std::filesystem::path(needed).string() << ": " << (remedy)
