#include "engine/team_calls.h"

#include <cmath>

#include "base/byte_cursor.h"
#include "base/byte_writer.h"

namespace wring {
namespace {

// The fields that a random model's spec sets, for writing and for reading.
template <typename Spec, typename Each>
Status EachField(Spec& s, const Each& each) {
  for (auto* field :
       {&s.layers, &s.hidden, &s.heads, &s.kv_heads, &s.head_dim, &s.ffn, &s.vocab, &s.context}) {
    WRING_TRY(each(*field));
  }
  return {};
}

template <typename E>
Result<E> ReadEnum(ByteCursor& from) {
  WRING_ASSIGN(const auto value, from.Read<uint8_t>());
  return static_cast<E>(value);
}

Result<bool> ReadFlag(ByteCursor& from) {
  WRING_ASSIGN(const auto value, from.Read<uint8_t>());
  return value != 0;
}

}  // namespace

std::vector<std::byte> ToBytes(TeamCall call) {
  std::vector<std::byte> bytes;
  PutValue(&bytes, call);
  return bytes;
}

std::vector<std::byte> ToBytes(const OpenCall& call) {
  auto bytes = ToBytes(TeamCall::kOpen);
  PutText(&bytes, call.path);
  PutValue(&bytes, call.device);
  PutValue(&bytes, call.threads);
  PutValue(&bytes, call.reduce);
  return bytes;
}

Result<OpenCall> ReadOpen(ByteCursor& from) {
  OpenCall call;
  WRING_ASSIGN(const auto size, from.Read<uint64_t>());
  WRING_ASSIGN(const auto path, from.Take(size));
  call.path.assign(reinterpret_cast<const char*>(path.data()), path.size());
  WRING_ASSIGN(call.device, ReadEnum<DeviceKind>(from));
  WRING_ASSIGN(call.threads, from.Read<uint32_t>());
  WRING_ASSIGN(call.reduce, ReadFlag(from));
  return call;
}

std::vector<std::byte> ToBytes(const RandomCall& call) {
  auto bytes = ToBytes(TeamCall::kRandom);
  const Status written = EachField(call.spec, [&](uint32_t field) {
    PutValue(&bytes, field);
    return Status();
  });
  assert(written.ok());
  PutValue(&bytes, call.spec.tied_head);
  PutValue(&bytes, call.format);
  PutValue(&bytes, call.device);
  PutValue(&bytes, call.reduce);
  return bytes;
}

Result<RandomCall> ReadRandom(ByteCursor& from) {
  RandomCall call;
  call.spec.architecture = "llama";
  WRING_TRY(EachField(call.spec, [&](uint32_t& field) -> Status {
    WRING_ASSIGN(field, from.Read<uint32_t>());
    return {};
  }));
  WRING_ASSIGN(call.spec.tied_head, ReadFlag(from));
  call.spec.attention_scale = 1.0F / std::sqrt(static_cast<float>(call.spec.head_dim));
  WRING_ASSIGN(call.format, ReadEnum<FormatId>(from));
  WRING_ASSIGN(call.device, ReadEnum<DeviceKind>(from));
  WRING_ASSIGN(call.reduce, ReadFlag(from));
  return call;
}

std::vector<std::byte> ToBytes(const StartCall& call) {
  auto bytes = ToBytes(TeamCall::kStart);
  PutValue<uint64_t>(&bytes, call.codecs.size());
  for (const CodecId codec : call.codecs) PutValue(&bytes, codec);
  PutValue(&bytes, call.pool_bytes);
  PutValue(&bytes, call.options.exact);
  PutValue(&bytes, call.options.invariant);
  PutValue(&bytes, call.options.max_rows);
  PutValue(&bytes, call.options.positions);
  return bytes;
}

Result<StartCall> ReadStart(ByteCursor& from) {
  StartCall call;
  WRING_ASSIGN(const auto codecs, from.Read<uint64_t>());
  for (uint64_t i = 0; i < codecs; ++i) {
    WRING_ASSIGN(const auto codec, ReadEnum<CodecId>(from));
    call.codecs.push_back(codec);
  }
  WRING_ASSIGN(call.pool_bytes, from.Read<uint64_t>());
  WRING_ASSIGN(call.options.exact, ReadFlag(from));
  WRING_ASSIGN(call.options.invariant, ReadFlag(from));
  WRING_ASSIGN(call.options.max_rows, from.Read<uint32_t>());
  WRING_ASSIGN(call.options.positions, from.Read<uint32_t>());
  return call;
}

std::vector<std::byte> ToBytes(const CopyCall& call) {
  auto bytes = ToBytes(TeamCall::kCopy);
  for (const uint64_t v : {call.to, call.from, call.bytes}) PutValue(&bytes, v);
  return bytes;
}

Result<CopyCall> ReadCopy(ByteCursor& from) {
  CopyCall call;
  for (uint64_t* v : {&call.to, &call.from, &call.bytes}) {
    WRING_ASSIGN(*v, from.Read<uint64_t>());
  }
  return call;
}

}  // namespace wring
