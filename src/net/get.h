// GET with redirects followed: the one place that decides who may see the token.
#pragma once

#include <string>

#include "net/http.h"

namespace wring::net {

// Follows up to limits.redirects redirects. `token` ("" for none) goes out as a bearer token to the origin
// of request.url only: after the first redirect to another origin it is never sent again, not even
// back there. A redirect from https to http is refused. The answer's headers X-Linked-Etag and
// X-Repo-Commit are those of the first answer that has them, since only the hub itself sends them.
Outcome Get(Transport& transport, Request request, const std::string& token, const Limits& limits,
            Sink& sink);

}  // namespace wring::net
