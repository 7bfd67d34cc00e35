#include "formats/sentencepiece.h"

#include <bit>

#include "base/byte_cursor.h"

namespace wring {
namespace {

constexpr size_t kMaxPieces = size_t{1} << 24;

// A protocol buffer message: fields of a number and a wire type (0 varint, 1 and 5 fixed, 2 bytes).
class Message {
 public:
  Message(std::span<const std::byte> bytes, std::string_view what) : cursor_(bytes, what) {}

  struct Field {
    uint32_t number = 0;
    uint64_t value = 0;                // varint, or the bits of a fixed one
    std::span<const std::byte> bytes;  // wire type 2
    bool is_bytes = false;
    std::string text() const {
      return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }
  };

  bool done() const { return cursor_.remaining() == 0; }

  Result<Field> Next() {
    Field field;
    WRING_ASSIGN(const uint64_t key, Varint());
    field.number = static_cast<uint32_t>(key >> 3);
    switch (key & 7) {
      case 0: {
        WRING_ASSIGN(field.value, Varint());
        return field;
      }
      case 1: {
        WRING_ASSIGN(field.value, cursor_.Read<uint64_t>());
        return field;
      }
      case 5: {
        WRING_ASSIGN(field.value, cursor_.Read<uint32_t>());
        return field;
      }
      case 2: {
        WRING_ASSIGN(const uint64_t size, Varint());
        WRING_ASSIGN(field.bytes, cursor_.Take(size));
        field.is_bytes = true;
        return field;
      }
      default:
        return Error(Code::kCorrupt, "{}: is not a SentencePiece model; get the file again",
                     cursor_.what());
    }
  }

 private:
  Result<uint64_t> Varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      WRING_ASSIGN(const auto byte, cursor_.Read<uint8_t>());
      value |= static_cast<uint64_t>(byte & 127) << shift;
      if (byte < 128) return value;
    }
    return Error(Code::kCorrupt, "{}: is not a SentencePiece model; get the file again",
                 cursor_.what());
  }

  ByteCursor cursor_;
};

float FloatOf(uint64_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits)); }

Status ReadPiece(Message piece, SentencePieceModel* model) {
  std::string text;
  float score = 0;
  int32_t type = 1;
  while (!piece.done()) {
    WRING_ASSIGN(const auto field, piece.Next());
    if (field.number == 1 && field.is_bytes) text = field.text();
    if (field.number == 2) score = FloatOf(field.value);
    if (field.number == 3) type = static_cast<int32_t>(field.value);
  }
  model->pieces.push_back(std::move(text));
  model->scores.push_back(score);
  model->types.push_back(type);
  return {};
}

Status ReadTrainer(Message trainer, std::string_view what, SentencePieceModel* model) {
  while (!trainer.done()) {
    WRING_ASSIGN(const auto field, trainer.Next());
    switch (field.number) {
      case 3:
        if (field.value != 1 && field.value != 2) {
          return Error(Code::kUnsupported,
                       "{}: a SentencePiece model of words or characters is not supported; use a "
                       "tokenizer.json",
                       what);
        }
        model->kind = static_cast<SentencePieceModel::Kind>(field.value);
        break;
      case 35: model->byte_fallback = field.value != 0; break;
      case 41: model->bos = static_cast<int32_t>(field.value); break;
      case 42: model->eos = static_cast<int32_t>(field.value); break;
      default: break;
    }
  }
  return {};
}

Status ReadNormalizer(Message normalizer, SentencePieceModel* model) {
  while (!normalizer.done()) {
    WRING_ASSIGN(const auto field, normalizer.Next());
    if (field.number == 2 && field.is_bytes) model->charsmap = field.text();
    if (field.number == 3) model->add_prefix = field.value != 0;
    if (field.number == 4) model->remove_extra_spaces = field.value != 0;
  }
  return {};
}

}  // namespace

Result<SentencePieceModel> ParseSentencePiece(std::span<const std::byte> bytes,
                                              std::string_view what) {
  SentencePieceModel model;
  Message whole(bytes, what);
  while (!whole.done()) {
    WRING_ASSIGN(const auto field, whole.Next());
    if (!field.is_bytes) continue;
    if (field.number == 1) WRING_TRY(ReadPiece(Message(field.bytes, what), &model));
    if (field.number == 2) WRING_TRY(ReadTrainer(Message(field.bytes, what), what, &model));
    if (field.number == 3) WRING_TRY(ReadNormalizer(Message(field.bytes, what), &model));
    if (model.pieces.size() > kMaxPieces) break;
  }
  if (model.pieces.empty() || model.pieces.size() > kMaxPieces) {
    return Error(Code::kCorrupt, "{}: has {} pieces, so it is no SentencePiece model; get it again",
                 what, model.pieces.size());
  }
  return model;
}

}  // namespace wring
