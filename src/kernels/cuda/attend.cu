// Which codec and head size has an attention kernel; others are padded to one.
#include "kernels/cuda/attend.cuh"
#include "kernels/cuda/attend_many.cuh"
#include "kernels/cuda/attend_wide.cuh"

#define WRING_WIDE_SIZES(F) F(64) F(80) F(96) F(112) F(128) F(192) F(256)
#define WRING_MANY_SIZES(F) F(64) F(80) F(96) F(112) F(128)
#define WRING_HEAD_SIZES(F) F(16) F(32) F(48) F(64) F(80) F(96) F(112) F(128) F(192) F(256)

namespace wring::cuda {

#define WRING_DECLARE(D) extern const AttendLaunch kAttend_f16_##D, kAttend_i8_##D;
WRING_HEAD_SIZES(WRING_DECLARE)
#undef WRING_DECLARE
#define WRING_DECLARE(D) extern const AttendWideLaunch kAttendWide_##D;
WRING_WIDE_SIZES(WRING_DECLARE)
#undef WRING_DECLARE
#define WRING_DECLARE(D) extern const AttendManyLaunch kAttendMany_##D;
WRING_MANY_SIZES(WRING_DECLARE)
#undef WRING_DECLARE

namespace {

AttendLaunch Find(CodecId codec, uint32_t head_dim) {
  if (codec == CodecId::kF32) return nullptr;
#define WRING_CASE(D)                     \
  if (KvCodec::PaddedHead(head_dim) == D) \
    return codec == CodecId::kF16 ? kAttend_f16_##D : kAttend_i8_##D;
  WRING_HEAD_SIZES(WRING_CASE)
#undef WRING_CASE
  return nullptr;
}

AttendWideLaunch FindWide(CodecId codec, uint32_t head_dim) {
  if (codec != CodecId::kF16) return nullptr;
#define WRING_CASE(D) \
  if (KvCodec::PaddedHead(head_dim) == D) return kAttendWide_##D;
  WRING_WIDE_SIZES(WRING_CASE)
#undef WRING_CASE
  return nullptr;
}

AttendManyLaunch FindMany(CodecId codec, uint32_t head_dim) {
  if (codec != CodecId::kF16) return nullptr;
#define WRING_CASE(D) \
  if (KvCodec::PaddedHead(head_dim) == D) return kAttendMany_##D;
  WRING_MANY_SIZES(WRING_CASE)
#undef WRING_CASE
  return nullptr;
}

}  // namespace

uint32_t AttendNeeds(CodecId codec, uint32_t head_dim) {
  if (codec == CodecId::kF32) return 0;
#define WRING_CASE(D)                     \
  if (KvCodec::PaddedHead(head_dim) == D) \
    return codec == CodecId::kF16 ? AttendMost<CodecId::kF16, D>() : AttendMost<CodecId::kI8, D>();
  WRING_HEAD_SIZES(WRING_CASE)
#undef WRING_CASE
  return 0;
}
bool HasAttend(CodecId codec, uint32_t head_dim) { return Find(codec, head_dim) != nullptr; }
bool HasAttendWide(CodecId codec, uint32_t head_dim) {
  return FindWide(codec, head_dim) != nullptr && HasWgmma();
}
void AttendWide(Launcher& l, const AttendArgs& args) {
  FindWide(args.cache.codec, args.head_dim)(l, args);
}
bool HasAttendMany(CodecId codec, uint32_t head_dim) {
  return FindMany(codec, head_dim) != nullptr;
}
void AttendMany(Launcher& l, const AttendArgs& args) {
  FindMany(args.cache.codec, args.head_dim)(l, args);
}
void Attend(Launcher& l, const AttendArgs& args) {
  Find(args.cache.codec, args.head_dim)(l, args, nullptr);
}
void AppendAndAttend(Launcher& l, const AppendArgs& append, const AttendArgs& args) {
  Find(args.cache.codec, args.head_dim)(l, args, &append);
}

}  // namespace wring::cuda
