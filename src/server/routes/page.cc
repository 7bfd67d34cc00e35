// GET /: the page, and the files that it names.
#include "server/page.h"

#include <algorithm>

#include "server/routes/routes.h"

namespace wring::server {

bool ShowPage(Service& service, const Call& call) {
  const HttpRequest& request = call.exchange->request();
  const auto files = PageFiles();
  const auto file = std::ranges::find(files, request.path, &PageFile::path);
  if (file == files.end() || (request.method != "GET" && request.method != "HEAD")) return false;
  HttpReply reply{200, std::string(file->content_type), "", {}};
  const bool hashed = file->path.starts_with(kPageHashedPrefix);
  reply.headers = {{"ETag", std::string(file->etag)},
                   {"Cache-Control", hashed ? "public, max-age=31536000, immutable" : "no-cache"},
                   {"Content-Security-Policy", std::string(kPageSecurityPolicy)},
                   {"X-Content-Type-Options", "nosniff"},
                   {"Referrer-Policy", "no-referrer"}};
  if (request.Header("if-none-match") == file->etag) {
    reply.status = 304;
  } else {
    reply.headers.emplace_back("Content-Encoding", "gzip");
    reply.body.assign(reinterpret_cast<const char*>(file->gzip.data()), file->gzip.size());
  }
  service.Send(call, std::move(reply));
  return true;
}

}  // namespace wring::server
