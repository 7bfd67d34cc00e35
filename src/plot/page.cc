#include "plot/page.h"

#define FMT_HEADER_ONLY 1
#include <fmt/format.h>

#include <string_view>

#include "plot/svg.h"

namespace wring::plot {
namespace {

constexpr std::string_view kStyle =
    "body{font:15px/1.5 sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;margin:.5rem 0 1.5rem}th,td{padding:.2rem "
    ".7rem;text-align:right;border-bottom:1px solid "
    "#ddd;white-space:nowrap}th:first-child,td:first-child{text-align:left}svg{max-width:100%;"
    "height:auto}"
    "h2{margin-top:2.5rem}.note{color:#555}.scroll{overflow-x:auto}p{max-width:60rem}";

}  // namespace

std::string Row(const std::vector<std::string>& cells, const char* tag) {
  std::string row = "<tr>";
  for (const std::string& c : cells) row += fmt::format("<{0}>{1}</{0}>", tag, EscapeXml(c));
  return row + "</tr>\n";
}

std::string Page(const std::string& title, const std::string& body) {
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width\"><title>{0}</title><style>{1}</style></head><body>\n"
      "<h1>{0}</h1>\n{2}</body></html>\n",
      EscapeXml(title), kStyle, body);
}

}  // namespace wring::plot
