// From a parsed body to requests in the engine: the same for every route that generates.
#pragma once

#include "server/api/call.h"
#include "server/service.h"

namespace wring::server {

// What parsers want to know of the served model, now.
ParseContext MakeParseContext(Service& service);

// Answers the call, now or when the engine does; on a text worker.
void Generate(Service& service, const Call& call, ApiResult<GenerateCall> parsed);

}  // namespace wring::server
