// Every route, one file each, and the table of them.
#pragma once

#include <span>

#include "server/service.h"

namespace wring::server {

std::span<const Route> Routes();

struct FoundRoute {
  const Route* route = nullptr;  // null: none
  bool path_exists = false;      // for another method
  std::string_view rest;         // of the path, where the route's own ends with "*"
};
// The route of a request; a path without "*" goes before one with it. GET routes answer HEAD, too.
FoundRoute FindRoute(std::string_view method, std::string_view path);

// The files of the page; false when the path is none of them.
bool ShowPage(Service& service, const Call& call);

// The routes' code; each is named in routes.cc.
void ChatCompletions(Service& service, const Call& call);
void Completions(Service& service, const Call& call);
void Responses(Service& service, const Call& call);
void Messages(Service& service, const Call& call);
void CountTokens(Service& service, const Call& call);
void Embeddings(Service& service, const Call& call);
void ListModels(Service& service, const Call& call);
void ShowModel(Service& service, const Call& call);
void TokenizerInfo(Service& service, const Call& call);
void Tokenize(Service& service, const Call& call);
void Detokenize(Service& service, const Call& call);
void ApplyTemplate(Service& service, const Call& call);
void Health(Service& service, const Call& call);
void Ready(Service& service, const Call& call);
void ShowMetrics(Service& service, const Call& call);
void ClearCache(Service& service, const Call& call);
void AdminStatus(Service& service, const Call& call);

}  // namespace wring::server
