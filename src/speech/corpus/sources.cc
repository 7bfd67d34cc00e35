#include "speech/corpus/sources.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <mutex>
#include <optional>

#include "formats/json.h"
#include "formats/mapped_file.h"
#include "formats/printable.h"
#include "speech/audio/audio_file.h"
#include "speech/corpus/file_pattern.h"
#include "speech/corpus/tar.h"
#include "speech/corpus/words_by_energy.h"

namespace wring::speech {
namespace {

namespace fs = std::filesystem;

// An utterance before its sound was looked at.
struct Found {
  SourceUtterance utterance;  // its words are aligned, or none
  std::string speaker;
  std::string text;  // of the whole, where it has no alignment
};

bool IsAudio(const std::string& name) {
  const size_t dot = name.rfind('.');
  if (dot == std::string::npos) return false;
  std::string end = name.substr(dot);
  std::transform(end.begin(), end.end(), end.begin(),
                 [](char c) { return static_cast<char>(std::tolower(c)); });
  for (const char* known : {".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".au", ".w64"}) {
    if (end == known) return true;
  }
  return false;
}

// words and alignments (end times in seconds, silence as an empty word) of a manifest's line or a shard's JSON.
Status ReadAlignment(const nlohmann::json& j, const std::string& what, Found* to) {
  const auto words = j.find("words"), ends = j.find("alignments");
  if (const auto text = j.find("text"); text != j.end() && text->is_string())
    to->text = text->get<std::string>();
  if (words == j.end() || ends == j.end()) return {};
  if (!words->is_array() || !ends->is_array() || words->size() != ends->size())
    return Error(Code::kCorrupt, "{}: words and alignments must be lists of one length", what);
  double before = 0;
  for (size_t i = 0; i < words->size(); ++i) {
    if (!(*words)[i].is_string() || !(*ends)[i].is_number())
      return Error(Code::kCorrupt, "{}: words are texts and alignments numbers of seconds", what);
    const double end = (*ends)[i].get<double>();
    if (!(end >= before && end < 1e6))
      return Error(Code::kCorrupt, "{}: alignments must ascend; {} follows {}", what, end, before);
    const auto word = (*words)[i].get<std::string>();
    const Micros from = kMillisecond * std::llround(before * 1000);
    const Micros to_end = kMillisecond * std::llround(end * 1000);
    if (!word.empty() && to_end > from) to->utterance.words.push_back({from, to_end, word});
    before = end;
  }
  return {};
}

std::map<std::string, std::string> Transcripts(const fs::path& folder) {
  std::map<std::string, std::string> texts;
  const auto file = ReadText((folder / "transcripts.tsv").string(), 1 << 26);
  if (!file.ok()) return texts;
  size_t at = 0;
  while (at < file->size()) {
    const size_t end = std::min(file->find('\n', at), file->size());
    const std::string line = file->substr(at, end - at);
    if (const size_t tab = line.find('\t'); tab != std::string::npos)
      texts[line.substr(0, tab)] = line.substr(tab + 1);
    at = end + 1;
  }
  return texts;
}

Status ListFolder(const fs::path& folder, const std::optional<FilePattern>& pattern,
                  std::vector<Found>* to) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; it != end; it.increment(error)) {
    if (error) break;
    if (it->path().filename().string().starts_with(".")) {  // half-made, or not for us
      it.disable_recursion_pending();
      continue;
    }
    if (it->is_regular_file(error) && IsAudio(it->path().filename().string()))
      files.push_back(it->path());
  }
  if (error) {
    return Error(Code::kIo, "{}: cannot be listed ({}); check its name and rights",
                 Quoted(folder.string()), error.message());
  }
  std::sort(files.begin(), files.end());
  std::map<std::string, std::map<std::string, std::string>> texts;  // by folder
  for (const fs::path& file : files) {
    Found f;
    f.utterance.key = file.string();
    const fs::path inside = file.lexically_relative(folder);  // links stay what they are called
    if (inside.begin() == std::prev(inside.end())) {          // beside the speakers' folders
      const auto fields = pattern ? pattern->Match(file.stem().string()) : std::nullopt;
      if (!fields) continue;
      f.speaker = fields->at("speaker");
      if (const auto word = fields->find("word"); word != fields->end()) f.text = word->second;
    } else {
      f.speaker = inside.begin()->string();
      const std::string parent = file.parent_path().string();
      auto known = texts.find(parent);
      if (known == texts.end()) known = texts.emplace(parent, Transcripts(parent)).first;
      if (const auto text = known->second.find(file.stem().string()); text != known->second.end())
        f.text = text->second;
    }
    to->push_back(std::move(f));
  }
  return {};
}

std::string SpeakerOf(const nlohmann::json& j) {
  for (const char* key : {"speaker_id", "speaker", "label"}) {
    const auto found = j.find(key);
    if (found == j.end()) continue;
    if (found->is_string()) return found->get<std::string>();
    if (found->is_number_integer()) return std::to_string(found->get<int64_t>());
  }
  return {};
}

Status ListManifest(const fs::path& path, std::vector<Found>* to) {
  WRING_ASSIGN(const std::string text, ReadText(path.string(), uint64_t{1} << 32));
  size_t at = 0;
  for (uint32_t number = 1; at < text.size(); ++number) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line(text.data() + at, end - at);
    at = end + 1;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const std::string what = fmt::format("{}: line {}", path.string(), number);
    WRING_ASSIGN(const nlohmann::json j, ParseJsonObject(line, what));
    const auto file = j.find("audio_filepath");
    Found f;
    f.speaker = SpeakerOf(j);
    if (file == j.end() || !file->is_string() || f.speaker.empty())
      return Error(Code::kCorrupt, "{}: needs audio_filepath and speaker_id", what);
    f.utterance.key = (path.parent_path() / file->get<std::string>()).string();
    WRING_TRY(ReadAlignment(j, what, &f));
    to->push_back(std::move(f));
  }
  return {};
}

Status ListShard(const std::string& path, std::vector<Found>* to) {
  WRING_ASSIGN(const auto file, MappedFile::Open(path));
  WRING_ASSIGN(const auto members, ListTar(file->bytes(), path));
  std::map<std::string, nlohmann::json> notes;  // by name without its end
  const auto stem = [](const std::string& name) { return name.substr(0, name.rfind('.')); };
  for (const TarMember& m : members) {
    if (!m.name.ends_with(".json")) continue;
    const std::string_view text(reinterpret_cast<const char*>(m.bytes.data()), m.bytes.size());
    WRING_ASSIGN(notes[stem(m.name)], ParseJsonObject(text, path + ":" + m.name));
  }
  for (const TarMember& m : members) {
    if (!IsAudio(m.name)) continue;
    const auto note = notes.find(stem(m.name));
    const std::string what = path + ":" + m.name;
    Found f;
    f.utterance.key = what;
    f.utterance.offset = static_cast<uint64_t>(m.bytes.data() - file->bytes().data());
    f.utterance.size = m.bytes.size();
    if (note != notes.end()) f.speaker = SpeakerOf(note->second);
    if (f.speaker.empty())
      return Error(Code::kCorrupt, "{}: has no {}.json with a speaker_id beside it", what,
                   stem(m.name));
    WRING_TRY(ReadAlignment(note->second, what, &f));
    to->push_back(std::move(f));
  }
  return {};
}

Status List(const std::string& path, const std::optional<FilePattern>& pattern,
            std::vector<Found>* to) {
  std::error_code error;
  if (fs::is_directory(path, error)) return ListFolder(path, pattern, to);
  if (path.ends_with(".tar")) return ListShard(path, to);
  if (path.ends_with(".json") || path.ends_with(".jsonl")) return ListManifest(path, to);
  return Error(
      Code::kInvalid,
      "{} is no source of speech: give a folder, a manifest (.json, .jsonl) or a shard (.tar)",
      Quoted(path));
}

// Completes an utterance from its sound.
Result<SourceUtterance> Look(const Found& f, double least_range) {
  SourceUtterance u = f.utterance;
  if (!u.words.empty() && u.size == 0) {
    WRING_ASSIGN(const AudioInfo info, ProbeAudio(u.key));
    u.length = static_cast<Micros>(info.frames * 1000 / info.rate) * kMillisecond;
  } else {
    WRING_ASSIGN(const Audio audio, ReadSource(u));
    u.length = static_cast<Micros>(audio.frames() * 1000 / audio.rate) * kMillisecond;
    if (u.words.empty()) {
      const std::vector<float> mono = Mono(audio);
      if (const double range = DynamicRangeDb(mono, audio.rate); range < least_range) {
        return Error(Code::kInvalid, "{}: its background is only {:.0f} dB below its speech", u.key,
                     range);
      }
      u.words = WordsByEnergy(mono, audio.rate);
      // One word for the whole file: its gaps are within the word.
      if (!f.text.empty() && f.text.find(' ') == std::string::npos && !u.words.empty())
        u.words = {{u.words.front().start, u.words.back().end, f.text}};
    }
  }
  if (u.words.empty())
    return Error(Code::kInvalid, "{}: holds nothing louder than its background", u.key);
  if (u.words.back().end > u.length + 20 * kMillisecond) {
    return Error(Code::kCorrupt, "{}: its alignment ends at {:.3f} s, the sound at {:.3f} s", u.key,
                 Seconds(u.words.back().end), Seconds(u.length));
  }
  u.words.back().end = std::min(u.words.back().end, u.length);
  return u;
}

bool Taken(const SourceOptions& o, const std::string& speaker) {
  const auto in = [&](const std::vector<std::string>& list) {
    return std::find(list.begin(), list.end(), speaker) != list.end();
  };
  return (o.only.empty() || in(o.only)) && !in(o.without);
}

SourceUtterance AtSpeed(const SourceUtterance& u, double speed) {
  SourceUtterance fast = u;
  const auto scaled = [&](Micros t) {
    return kMillisecond * static_cast<Micros>(static_cast<double>(t / kMillisecond) / speed);
  };
  fast.speed = speed;
  fast.length = scaled(u.length);
  for (SourceWord& w : fast.words) {
    w.start = scaled(w.start);
    w.end = std::max(w.start + kMillisecond, scaled(w.end));
  }
  return fast;
}

void AddSpeeds(const std::vector<double>& speeds, SourceCorpus* corpus) {
  const std::vector<SourceUtterance> plain = corpus->utterances;
  for (const double speed : speeds) {
    if (speed == 1) continue;
    for (const SourceUtterance& u : plain) {
      SourceUtterance fast = AtSpeed(u, speed);
      fast.speaker = corpus->Speaker(fmt::format("{}@{:.2f}", corpus->speakers[u.speaker], speed));
      corpus->Add(std::move(fast));
    }
  }
}

}  // namespace

Result<Audio> ReadSource(const SourceUtterance& u) {
  if (u.size == 0) return ReadAudio(u.key);
  const std::string shard = u.key.substr(0, u.key.find(".tar:") + 4);
  WRING_ASSIGN(const auto file, MappedFile::Open(shard));
  const auto bytes = file->bytes();
  if (u.offset > bytes.size() || u.size > bytes.size() - u.offset)
    return Error(Code::kCorrupt, "{} became shorter while it was used: begin again", shard);
  return ReadAudio(bytes.subspan(u.offset, u.size), u.key);
}

Result<SourceCorpus> LoadSources(const std::vector<std::string>& paths,
                                 const SourceOptions& options, ThreadPool& pool, Progress* progress,
                                 Skipped* skipped) {
  std::optional<FilePattern> pattern;
  if (!options.pattern.empty()) {
    WRING_ASSIGN(pattern, FilePattern::Parse(options.pattern));
  }
  std::vector<Found> found;
  for (const std::string& path : paths) WRING_TRY(List(path, pattern, &found));
  std::erase_if(found, [&](const Found& f) { return !Taken(options, f.speaker); });
  std::vector<std::optional<Result<SourceUtterance>>> looked(found.size());
  std::atomic<size_t> done = 0;
  pool.ParallelFor(found.size(), 1, [&](size_t begin, size_t end, size_t) {
    for (size_t i = begin; i < end; ++i) {
      looked[i] = Look(found[i], options.least_range);
      if (progress != nullptr) progress->Report("reading sources", ++done, found.size());
    }
  });
  SourceCorpus corpus;
  skipped->all = found.size();
  for (size_t i = 0; i < found.size(); ++i) {
    if (!looked[i]->ok()) {
      if (skipped->files++ == 0) skipped->first = looked[i]->status().message();
      continue;
    }
    SourceUtterance u = **std::move(looked[i]);
    u.speaker = corpus.Speaker(found[i].speaker);
    corpus.Add(std::move(u));
  }
  if (corpus.utterances.empty()) {
    return Error(Code::kInvalid, "{} holds no speech that can be used{}{}", fmt::join(paths, ", "),
                 skipped->files > 0 ? ": " : "", skipped->first);
  }
  AddSpeeds(options.speeds, &corpus);
  return corpus;
}

}  // namespace wring::speech
