// A template, rendered over a conversation with everything that templates look at.
#include "check_text.h"
#include "text/chat_template.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto compiled = wring::ChatTemplate::Compile(wring::testing::Text(data, size));
  if (!compiled.ok()) {
    wring::testing::CheckTextMessage(compiled.status());
    return 0;
  }
  for (
      const char* context : {
          R"({"messages":[{"role":"system","content":"s"},{"role":"user","content":"a\u0000\n{{b}}"},
               {"role":"assistant","content":null,"tool_calls":[{"type":"function","id":"1",
                "function":{"name":"f","arguments":{"x":[1,2.5,null,true]}}}]},
               {"role":"tool","content":"42","tool_call_id":"1"}],
               "tools":[{"type":"function","function":{"name":"f","description":"d",
                "parameters":{"type":"object","properties":{"x":{"type":"array"}}}}}],
               "add_generation_prompt":true,"bos_token":"<s>","eos_token":"</s>","now":1700000000})",
          R"({"messages":[],"now":-9223372036854775808})",
          "{}",
          "[",
      }) {
    auto text = (*compiled)->Render(context);
    if (!text.ok()) wring::testing::CheckTextMessage(text.status());
  }
  return 0;
}
