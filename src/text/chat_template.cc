#include "text/chat_template.h"

#include "text/bridge.h"

namespace wring {
namespace {

class BridgeTemplate final : public ChatTemplate {
 public:
  explicit BridgeTemplate(WringTemplate* handle) : handle_(handle) {}

  Result<std::string> Render(std::string_view context_json) const override {
    WringBytes out = {};
    WringBytes error = {};
    if (!wring_template_render(handle_.get(), bridge::View(context_json), &out, &error)) {
      return bridge::Failure(Code::kInvalid, error);
    }
    return bridge::Take(out);
  }

 private:
  std::unique_ptr<WringTemplate, bridge::Deleter<wring_template_free>> handle_;
};

}  // namespace

Result<std::unique_ptr<ChatTemplate>> ChatTemplate::Compile(std::string_view source) {
  WringBytes error = {};
  WringTemplate* handle = wring_template_compile(bridge::View(source), &error);
  if (handle == nullptr) return bridge::Failure(Code::kInvalid, error);
  return std::unique_ptr<ChatTemplate>(new BridgeTemplate(handle));
}

}  // namespace wring
