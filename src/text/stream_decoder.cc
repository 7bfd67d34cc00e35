#include "text/tokenizer.h"

namespace wring {
namespace {

// How many bytes at the end of `text` begin a UTF-8 character that is not complete yet.
size_t IncompleteTail(std::string_view text) {
  for (size_t back = 1; back <= 3 && back <= text.size(); ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if ((byte & 0xc0) == 0x80) continue;  // a continuation: look further back
    const size_t length = byte >= 0xf0 && byte <= 0xf4 ? 4
                          : byte >= 0xe0               ? 3
                          : byte >= 0xc2               ? 2
                                                       : 1;
    return byte < 0xf5 && length > back ? back : 0;
  }
  return 0;
}

size_t SequenceLength(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return 2;
  if (lead >= 0xe0 && lead <= 0xef) return 3;
  if (lead >= 0xf0 && lead <= 0xf4) return 4;
  return 0;
}

// Replaces what is not UTF-8 by U+FFFD, one for each maximal part of a broken character.
std::string Repair(std::string_view bytes) {
  std::string out;
  for (size_t i = 0; i < bytes.size();) {
    const auto lead = static_cast<unsigned char>(bytes[i]);
    const size_t length = SequenceLength(lead);
    size_t good = 1;
    while (length > 1 && good < length && i + good < bytes.size()) {
      const auto c = static_cast<unsigned char>(bytes[i + good]);
      unsigned low = 0x80;
      unsigned high = 0xbf;
      if (good == 1) {  // no overlong forms, surrogates or values past U+10FFFF
        if (lead == 0xe0) low = 0xa0;
        if (lead == 0xed) high = 0x9f;
        if (lead == 0xf0) low = 0x90;
        if (lead == 0xf4) high = 0x8f;
      }
      if (c < low || c > high) break;
      ++good;
    }
    if (length != 0 && good == length) {
      out.append(bytes.substr(i, length));
    } else {
      out += "\xef\xbf\xbd";
    }
    i += good;
  }
  return out;
}

}  // namespace

std::string StreamDecoder::Push(int32_t id) {
  pending_ += tokenizer_->TokenBytes(id, special_);
  const size_t keep = IncompleteTail(pending_);
  std::string out = Repair(std::string_view(pending_).substr(0, pending_.size() - keep));
  pending_.erase(0, pending_.size() - keep);
  return out;
}

std::string StreamDecoder::Flush() {
  std::string out = Repair(pending_);
  pending_.clear();
  return out;
}

}  // namespace wring
