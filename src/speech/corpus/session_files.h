// One session's files: sound, labels, words, and last its metadata, which says that all of it is there.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/result.h"
#include "speech/audio/audio_file.h"
#include "speech/plan/session_plan.h"
#include "speech/render/render.h"

namespace wring::speech {

// A file that takes its name when it is whole. It is not forced to the disk: a corpus is many files, and --resume checks
// what a crash left.
Status WriteWhole(const std::string& path, std::span<const std::byte> bytes);
Status WriteWhole(const std::string& path, std::string_view text);

std::string Sha256(std::span<const std::byte> bytes);

// `sound`: nullptr for a plan alone.
Status WriteSession(const std::string& folder, const SessionPlan& plan, const SourceCorpus& corpus,
                    const SessionSound* sound, const RenderOptions& render, AudioFormat format);

// Whether the session's metadata is there and its files have the sizes and digests that it says.
bool IsWhole(const std::string& folder, const std::string& name);

}  // namespace wring::speech
