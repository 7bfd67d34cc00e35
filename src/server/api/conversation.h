// Messages as the APIs take them, into messages as chat templates do (Hugging Face's form): developer is system,
// content is one text, arguments of calls are objects. Include this only from .cc files.
#pragma once

#include <string>

#include "server/api/fields.h"

namespace wring::server {

// Templates look into arguments; what is no JSON object, a model's broken call come back, stays the text that it is.
Json CallArguments(const std::string& text);

// A string, null (""), or an array of {"type": one of `types`, "text"}; texts are joined by line ends.
// `types` holds names separated by spaces.
std::string ContentText(const Json* content, const std::string& path, std::string_view types,
                        Failure& failure);

// `messages` of /v1/chat/completions.
Json ReadMessages(const Fields& body);
// `input` and `instructions` of /v1/responses.
Json ReadInput(const Fields& body);
// `system` and `messages` of /v1/messages.
Json ReadAnthropicMessages(const Fields& body);

}  // namespace wring::server
