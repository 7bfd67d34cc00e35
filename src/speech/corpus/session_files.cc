#include "speech/corpus/session_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/atomic_file.h"
#include "formats/json.h"
#include "formats/mapped_file.h"
#include "hub/digest.h"
#include "speech/labels/ctm.h"
#include "speech/labels/rttm.h"

namespace wring::speech {
namespace {

double Round(double value, double unit) { return std::round(value / unit) * unit; }

nlohmann::json Optional(const std::optional<double>& value) {
  return value ? nlohmann::json(Round(*value, 1e-3)) : nlohmann::json();
}

// A speaker's name as part of a file's: it comes from a manifest, and may not lead out of the folder.
std::string FileName(std::string name) {
  for (char& c : name) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    if (!plain && c != '-' && c != '.' && c != '@') c = '_';
  }
  return name.substr(0, 100);
}

// Encodes, writes, and notes name, size and digest.
Status WriteSound(const std::string& folder, const std::string& name,
                  const std::vector<float>& samples, uint32_t channels, uint32_t rate,
                  AudioFormat format, nlohmann::json* files) {
  WRING_ASSIGN(const auto bytes, EncodeAudio(samples, rate, channels, format));
  WRING_TRY(WriteWhole(folder + "/" + name, bytes));
  files->push_back({{"file", name}, {"bytes", bytes.size()}, {"sha256", Sha256(bytes)}});
  return {};
}

}  // namespace

Status WriteWhole(const std::string& path, std::span<const std::byte> bytes) {
  const std::string partial = path + ".partial";
  const int file = open(partial.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file < 0) return WriteError(path, errno);
  int error = 0;
  while (!bytes.empty() && error == 0) {
    const ssize_t n = write(file, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      error = n < 0 ? errno : EIO;
    } else {
      bytes = bytes.subspan(static_cast<size_t>(n));
    }
  }
  if (close(file) != 0 && error == 0) error = errno;
  if (error == 0 && std::rename(partial.c_str(), path.c_str()) != 0) error = errno;
  if (error == 0) return {};
  unlink(partial.c_str());
  return WriteError(path, error);
}

Status WriteWhole(const std::string& path, std::string_view text) {
  return WriteWhole(path, std::as_bytes(std::span(text.data(), text.size())));
}

std::string Sha256(std::span<const std::byte> bytes) {
  hub::Digest digest = hub::Digest::Sha256();
  digest.Update(bytes);
  return digest.Hex();
}

Status WriteSession(const std::string& folder, const SessionPlan& plan, const SourceCorpus& corpus,
                    const SessionSound* sound, const RenderOptions& render, AudioFormat format) {
  nlohmann::json j = ToJson(plan, corpus);
  nlohmann::json files = nlohmann::json::array();
  std::vector<std::string> speakers;
  for (const uint32_t s : plan.speakers) speakers.push_back(corpus.speakers[s]);
  j["speakers"] = speakers;
  if (sound != nullptr) {
    const std::string end = Extension(format);
    WRING_TRY(WriteSound(folder, plan.name + end, sound->mix, sound->channels, render.rate, format,
                         &files));
    for (size_t s = 0; s < sound->stems.size(); ++s) {
      WRING_TRY(WriteSound(
          folder, fmt::format("stems/{}_{}_{}{}", plan.name, s, FileName(speakers[s]), end),
          sound->stems[s], sound->channels, render.rate, format, &files));
    }
    if (!sound->noise.empty()) {
      WRING_TRY(WriteSound(folder, fmt::format("stems/{}_noise{}", plan.name, end), sound->noise,
                           sound->channels, render.rate, format, &files));
    }
    std::vector<double> gains;
    for (const double db : sound->speaker_db) gains.push_back(Round(db, 1e-3));
    j["sound"] = {{"rate", render.rate},
                  {"channels", sound->channels},
                  {"speech_dbfs", Round(sound->level, 1e-3)},
                  {"peak", Round(sound->peak, 1e-5)},
                  {"snr_wanted_db", Optional(sound->snr_wanted)},
                  {"snr_db", Optional(sound->snr)},
                  {"noises", sound->noises},
                  {"room", sound->room},
                  {"t60", Optional(sound->t60)},
                  {"telephone", sound->telephone},
                  {"speaker_db", gains}};
  }
  const std::string rttm = RttmText(SegmentsOf(plan, corpus)), ctm = CtmText(WordsOf(plan, corpus));
  const auto note = [&](const std::string& name, const std::string& text) {
    files.push_back({{"file", name},
                     {"bytes", text.size()},
                     {"sha256", Sha256(std::as_bytes(std::span(text.data(), text.size())))}});
    return WriteWhole(folder + "/" + name, text);
  };
  WRING_TRY(note(plan.name + ".rttm", rttm));
  WRING_TRY(note(plan.name + ".ctm", ctm));
  j["files"] = files;
  return WriteWhole(folder + "/" + plan.name + ".json", DumpJson(j, 1) + "\n");
}

bool IsWhole(const std::string& folder, const std::string& name) {
  const auto json = ReadJsonObject(folder + "/" + name + ".json");
  if (!json.ok() || !json->contains("files") || !(*json)["files"].is_array()) return false;
  for (const auto& file : (*json)["files"]) {
    if (!file.is_object()) return false;
    const auto mapped = MappedFile::Open(folder + "/" + file.value("file", ""));
    if (!mapped.ok() || (*mapped)->bytes().size() != file.value("bytes", uint64_t{0}) ||
        Sha256((*mapped)->bytes()) != file.value("sha256", ""))
      return false;
  }
  return true;
}

}  // namespace wring::speech
