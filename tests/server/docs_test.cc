// docs/server.md shows the fields that the server takes as it takes them.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "server/api/limits.h"

namespace wring::server {
namespace {

TEST(DocsTest, NumericFieldsAreThoseOfTheTable) {
  const std::string path = std::string(WRING_SOURCE_DIR) + "/docs/server.md";
  std::ifstream file(path);
  std::stringstream content;
  content << file.rdbuf();
  const std::string text = content.str();
  const std::string begin = "<!-- numeric fields: NumberFieldsMarkdown() -->\n";
  const std::string end = "<!-- end -->\n";
  const size_t first = text.find(begin);
  ASSERT_NE(first, std::string::npos) << path << " has no line " << begin;
  const size_t last = text.find(end, first);
  ASSERT_NE(last, std::string::npos) << path << " has no line " << end;
  EXPECT_EQ(text.substr(first + begin.size(), last - first - begin.size()), NumberFieldsMarkdown())
      << "put the table of src/server/api/limits.cc into " << path;
}

}  // namespace
}  // namespace wring::server
