// Calls written as Python, with literal keyword arguments: name(key="text", n=3), one a line or in a list. Nothing is
// evaluated.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace wring {

struct PythonCall {
  std::string name;
  std::string arguments;  // as a JSON object
};

// Empty when the text is anything else. print(name(...)) is that call.
std::vector<PythonCall> ParsePythonCalls(std::string_view text);

}  // namespace wring
