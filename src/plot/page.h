// Reports as one HTML file each: a style, tables, and whatever svg.h draws.
#pragma once

#include <string>
#include <vector>

namespace wring::plot {

// A table's row; the texts are escaped. `tag`: td or th.
std::string Row(const std::vector<std::string>& cells, const char* tag = "td");

// A whole page; `title` is escaped, `body` is HTML and comes after the title.
std::string Page(const std::string& title, const std::string& body);

}  // namespace wring::plot
