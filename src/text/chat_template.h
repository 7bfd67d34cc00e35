// Jinja chat templates, rendered as Hugging Face's apply_chat_template does, by minijinja behind
// bridge/, with limits on steps, output bytes and recursion.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace wring {

class ChatTemplate {
 public:
  virtual ~ChatTemplate() = default;
  static Result<std::unique_ptr<ChatTemplate>> Compile(std::string_view source);

  // `context_json`: an object with `messages` and, as the template wants them, `tools`,
  // `add_generation_prompt`, `bos_token`, `eos_token`, ... A raise_exception() in the template
  // becomes an error that carries its text.
  virtual Result<std::string> Render(std::string_view context_json) const = 0;
};

}  // namespace wring
