// Reads what conversations are made of, from any mixture of
//   a folder: a sub-folder a speaker, holding audio files; transcripts.tsv (name TAB text) where there is one;
//   a folder of files and a pattern of their names, "{word}_{speaker}_{take}": what stands between braces is that;
//   a manifest, JSON lines as NeMo has them: audio_filepath, speaker_id, words and alignments (end times; an empty word is
//   a silence), offset and duration where an utterance is a part of its file;
//   a tar shard: members NAME.wav (or another audio type) and NAME.json with speaker_id, words, alignments.
// What has no alignment is divided by its energy (words_by_energy.h).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/progress.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "speech/audio/audio.h"
#include "speech/corpus/source.h"

namespace wring::speech {

struct SourceOptions {
  std::string pattern;  // of the names of files that lie in no speaker's folder
  // Speakers that are taken, or all; and those that are left out.
  std::vector<std::string> only, without;
  // Recordings without an alignment whose background lies nearer to their speech are left out, in dB: where it is heard, it
  // is heard with speech alone, and a detector would learn the background.
  double least_range = 0;
  // Each speaker also so much faster or slower, as NAME@SPEED: pitch and formants move, so they count as speakers of their
  // own (Ko et al. 2015 do it to speech, Yamamoto et al. 2019 to speakers).
  std::vector<double> speeds;
};

// Files that cannot be read, and those without sound, are left out; `skipped` counts them and holds the first reason.
struct Skipped {
  uint64_t files = 0, all = 0;
  std::string first;
};

Result<SourceCorpus> LoadSources(const std::vector<std::string>& paths,
                                 const SourceOptions& options, ThreadPool& pool, Progress* progress,
                                 Skipped* skipped);

// The sound of an utterance: a file, or a member of a shard.
Result<Audio> ReadSource(const SourceUtterance& utterance);

}  // namespace wring::speech
